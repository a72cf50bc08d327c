"""Call log: what was asked of the server and how it went, told to the log, the metrics and the trace alike."""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from opentelemetry.trace import StatusCode, Tracer, format_trace_id, get_current_span, get_tracer
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from mcp_context_resources.errors import ContextError
from mcp_context_resources.workers.observation import WorkerRun, observing
from mcp_server import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp.server.lowlevel.server import Server

    from mcp_context_resources.workers.observation import WorkerRun

    Hear = Callable[["Call"], None]

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


_log = logging.getLogger("fresh_context.calls")

Outcome = Literal["ok", "error", "refused", "failed", "cancelled", "asked"]
"""How a request ended: answered; an error told to the caller; refused by the protocol's rules; a fault of the server;
cancelled; answered with a question to the user."""

_MOST_NAME_CHARS: Final = 300
_MOST_NAMED: Final = 20
_MOST_RUNS: Final = 100
# Each is logged as it ends; of the others only with the log level debug.
_LOGGED: Final = frozenset(
    {
        "tools/call",
        "prompts/get",
        "resources/read",
        "completion/complete",
        "subscriptions/listen",
        "resources/subscribe",
        "resources/unsubscribe",
    }
)
_WHAT: Final = {"tools/call": "tool", "prompts/get": "prompt", "completion/complete": "ref"}
_CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)


@dataclass(slots=True)
class Call:
    """One request of the protocol. `name` is that of a tool or prompt, or a URI.

    `rows` and `sources` are those that the answer tells of, the latter at most so many as it names; `size` is that of
    the result in bytes of JSON. `id`, `subject` and `trace` are there where they are known. Times are in seconds.
    """

    method: str
    name: str
    id: str
    protocol: str
    client: str
    subject: str
    request: str
    trace: str
    arguments: Any = None
    outcome: Outcome = "cancelled"
    code: str = ""
    seconds: float = 0.0
    rows: int | None = None
    size: int | None = None
    sources: tuple[str, ...] = ()
    source_count: int = 0
    runs: list[WorkerRun] = field(default_factory=list)
    jobs: int = 0
    waited: float = 0.0
    worked: float = 0.0

    def ran(self, run: WorkerRun) -> None:
        """Hear of a job that a worker did for this call; of many only the first are kept one by one."""
        self.jobs += 1
        self.waited += (run.began - run.asked) / 1e9
        self.worked += (run.ended - run.began) / 1e9
        if len(self.runs) < _MOST_RUNS:
            self.runs.append(run)

    def answered(self, result: HandlerResult) -> None:
        """Note what the answer was."""
        if not isinstance(result, dict):
            result = {} if result is None else result.model_dump(by_alias=True, mode="json", exclude_none=True)
        data = result.get("structuredContent")
        content = data if isinstance(data, dict) else {}
        if result.get("isError"):
            told = content.get("error")
            self.code = str(told.get("code", "")) if isinstance(told, dict) else ""
            self.outcome = "failed" if self.code == ContextError.code else "error"
        else:
            self.outcome = "asked" if result.get("resultType") == "input_required" else "ok"
        try:
            self.size = len(to_json(result))
        except (PydanticSerializationError, ValueError):
            self.size = None
        self.rows = _rows(content)
        if named := _sources(content):
            self.read(named)

    def read(self, names: Sequence[str]) -> None:
        """Note which sources the answer was drawn from; the first of them by name."""
        self.sources, self.source_count = tuple(_short(name) for name in names[:_MOST_NAMED]), len(names)

    def went_wrong(self, error: BaseException) -> None:
        """Note why there was no answer."""
        if isinstance(error, anyio.get_cancelled_exc_class()):
            return
        cause = error.__cause__
        if isinstance(error, MCPError):
            if isinstance(cause, ContextError):
                self.outcome, self.code = "error", cause.code
            elif error.error.code == INTERNAL_ERROR:
                self.outcome, self.code = "failed", str(INTERNAL_ERROR)
            else:
                self.outcome, self.code = "refused", str(error.error.code)
        elif isinstance(error, ValidationError):
            self.outcome, self.code = "refused", str(INVALID_PARAMS)
        else:
            self.outcome, self.code = "failed", type(error).__name__


class CallLog:
    """Measures every request of a server and tells whoever wants to hear of it: a middleware of the SDK's server.

    With `arguments`, what was asked is told too.
    """

    def __init__(self, *, arguments: bool = False) -> None:
        self._arguments = arguments
        self._hearers: list[Hear] = [log_call, mark_span]

    def tell(self, hear: Hear) -> None:
        """Have `hear` called with each request when it has ended."""
        self._hearers.append(hear)

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Measure one request; notifications pass."""
        if ctx.request_id is None:
            return await call_next(ctx)
        call = begun(ctx)
        if self._arguments:
            call.arguments = _asked(ctx)
        token = _CURRENT.set(call)
        started = time.perf_counter()
        try:
            with observing(call.ran):
                result = await call_next(ctx)
            call.answered(result)
        except BaseException as error:
            call.went_wrong(error)
            raise
        finally:
            _CURRENT.reset(token)
            call.seconds = time.perf_counter() - started
            for hear in self._hearers:
                try:
                    hear(call)
                except Exception:  # noqa: BLE001 - a request must not fail because it is told of
                    _log.exception("a call couldn't be told of")
        return result


def note_sources(names: Sequence[str]) -> None:
    """Note which sources the answer to the request at hand is drawn from, where the answer itself doesn't tell."""
    call = _CURRENT.get()
    if call is not None:
        call.read(list(dict.fromkeys(names)))


def call_log_of(server: Server[Any]) -> CallLog:
    """Return what measures the requests of a server; it is put in place where there is none."""
    found = next((middleware for middleware in server.middleware if isinstance(middleware, CallLog)), None)
    if found is None:
        found = CallLog()
        server.middleware.append(found)
    return found


def begun(ctx: ServerRequestContext[Any, Any]) -> Call:
    """Note what is known of a request before it is answered."""
    params = ctx.params or {}
    known = ctx.session.client_params
    subject, request = _over_http(ctx.request)
    client = "" if known is None else f"{known.client_info.name} {known.client_info.version}".strip()
    return Call(
        method=_short(ctx.method),
        name=_short(_name(ctx.method, params)),
        id=_short(str(ctx.request_id)),
        protocol=_short(str(ctx.protocol_version)),
        client=_short(client),
        subject=_short(subject),
        request=_short(request),
        trace=_trace(),
    )


def log_call(call: Call) -> None:
    """Write the line of a request."""
    level = logging.INFO if call.method in _LOGGED else logging.DEBUG
    if call.outcome == "failed":
        level = logging.ERROR
    if not _log.isEnabledFor(level):
        return
    about = f"{call.method} {call.name}".rstrip()
    told = f"{call.outcome} {call.code}".rstrip()
    said = {"method": call.method, _WHAT.get(call.method, "uri"): call.name or None, "outcome": call.outcome}
    _log.log(level, "%s %s", about, told, extra={"said": said | {"code": call.code or None}, "fields": fields(call)})


def fields(call: Call) -> dict[str, Any]:
    """Return what the line of a request has beside method, name, outcome and code; None for what isn't known."""
    return {
        "ms": round(call.seconds * 1000, 1),
        "rows": call.rows,
        "bytes": call.size,
        "source_count": call.source_count or None,
        "sources": list(call.sources) or None,
        "jobs": call.jobs or None,
        "queue_ms": round(call.waited * 1000, 1) if call.jobs else None,
        "worker_ms": round(call.worked * 1000, 1) if call.jobs else None,
        "protocol": call.protocol,
        "client": call.client or None,
        "id": call.id,
        "subject": call.subject or None,
        "request_id": call.request or None,
        "trace_id": call.trace or None,
        "arguments": call.arguments,
    }


def _name(method: str, params: Mapping[str, Any]) -> str:
    """Return what a request is about: a tool, a prompt or a URI."""
    if method == "completion/complete":
        ref = params.get("ref")
        params = ref if isinstance(ref, dict) else {}
    name = params.get("name", params.get("uri"))
    return name if isinstance(name, str) else ""


def _asked(ctx: ServerRequestContext[Any, Any]) -> Any:
    params = ctx.params or {}
    return params.get("argument") if ctx.method == "completion/complete" else params.get("arguments")


def _over_http(request: Any) -> tuple[str, str]:
    """Return whom a request over HTTP speaks for, and the number that a proxy gave it."""
    scope = getattr(request, "scope", None)
    if not isinstance(scope, dict):
        return "", ""
    token = getattr(scope.get("user"), "access_token", None)
    subject = getattr(token, "subject", None) or getattr(token, "client_id", None) or ""
    return str(subject), str(request.headers.get("x-request-id") or "")


def _trace() -> str:
    """Return the trace that the request belongs to, ours or its sender's."""
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else ""


def _rows(content: Mapping[str, Any]) -> int | None:
    """Return how many rows an answer holds or is about."""
    rows = content.get("row_count", content.get("rows"))
    if isinstance(rows, list):
        return len(rows)
    return rows if isinstance(rows, int) and not isinstance(rows, bool) else None


def _sources(content: Mapping[str, Any]) -> list[str]:
    """Return the names of the sources that an answer names."""
    listed = content.get("sources")
    named = listed if isinstance(listed, list) else []
    names = (str(source["name"]) for source in named if isinstance(source, dict) and "name" in source)
    return list(dict.fromkeys(names))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_NAME_CHARS else f"{text[:_MOST_NAME_CHARS]}…"
