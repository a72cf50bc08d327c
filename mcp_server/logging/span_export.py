"""Span export: what may leave in a span, known attributes and short names. Needs the extra `telemetry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_CHARS: Final = 200
_KNOWN: Final = (
    "error.type",
    "fresh_context.",
    "gen_ai.operation.name",
    "gen_ai.prompt.name",
    "gen_ai.tool.name",
    "jsonrpc.request.id",
    "mcp.method.name",
    "mcp.protocol.version",
    "mcp.session.id",
    "rpc.response.status_code",
)


class DiscreetExporter(SpanExporter):
    """Sends spans without events, messages of errors and attributes it doesn't know: these may quote a file."""

    def __init__(self, exporter: SpanExporter, redact: Callable[[str], str] | None = None) -> None:
        self._exporter = exporter
        self._redact = redact

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, from the thread that collects them."""
        return self._exporter.export([self._discreet(span) for span in spans])

    def shutdown(self) -> None:
        """Stop sending."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what the exporter holds; True when it was in time."""
        return self._exporter.force_flush(timeout_millis)

    def _discreet(self, span: ReadableSpan) -> ReadableSpan:
        attributes = {
            key: self._short(value) for key, value in (span.attributes or {}).items() if key.startswith(_KNOWN)
        }
        return ReadableSpan(
            name=self._short(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            kind=span.kind,
            instrumentation_scope=span.instrumentation_scope,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
        )

    def _short(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = value[: 4 * _MOST_CHARS]
        if self._redact is not None:
            text = self._redact(text)
        return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…"
