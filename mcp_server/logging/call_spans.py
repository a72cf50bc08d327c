"""What a request's span in a trace tells, and the spans of the work that was done for it.

Only the API of OpenTelemetry is used, which does nothing until `mcp_server.logging.telemetry` sets up what records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.trace import StatusCode, Tracer, get_current_span, get_tracer

from mcp_server import __version__

if TYPE_CHECKING:
    from mcp_context_resources.workers.observation import WorkerRun
    from mcp_server.logging.call_log import Call

_NOTICEABLE_NANOSECONDS: Final = 1_000_000


def mark_span(call: Call) -> None:
    """Put what is known of a request on its span, the current one, and give it a child for each job of a worker."""
    span = get_current_span()
    if not span.is_recording():
        return
    known = {
        "outcome": call.outcome,
        "code": call.code or None,
        "rows": call.rows,
        "bytes": call.size,
        "sources": call.source_count,
        "worker.jobs": call.jobs,
        "worker.queue_ms": round(call.waited * 1000, 3),
        "worker.run_ms": round(call.worked * 1000, 3),
    }
    span.set_attributes({f"fresh_context.{key}": value for key, value in known.items() if value is not None})
    tracer = get_tracer("fresh_context", __version__)
    for run in call.runs:
        _add_run(tracer, run)


def _add_run(tracer: Tracer, run: WorkerRun) -> None:
    about: dict[str, str] = {"fresh_context.worker.pool": run.pool, "fresh_context.worker.job": run.job}
    if run.began - run.asked >= _NOTICEABLE_NANOSECONDS:
        tracer.start_span(f"wait for {run.pool}", start_time=run.asked, attributes=about).end(run.began)
    if run.ended > run.began:
        worked = tracer.start_span(f"{run.pool} {run.job}", start_time=run.began, attributes=about)
        if run.failed:
            worked.set_attribute("error.type", run.failed)
            worked.set_status(StatusCode.ERROR)
        worked.end(run.ended)
