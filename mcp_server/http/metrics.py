"""Counts and durations for Prometheus. Nothing of what is asked or answered is in them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import psutil
from mcp.shared.exceptions import MCPError
from mcp_types.methods import SPEC_CLIENT_METHODS
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Workers())
        self.in_flight = Gauge("fresh_context_in_flight", "Requests being worked on.", registry=self.registry)
        self.streams = Gauge("fresh_context_streams", "Open streams of notifications.", registry=self.registry)
        self._calls = Counter(
            "fresh_context_tool_calls", "Tool calls by outcome.", ("tool", "outcome"), registry=self.registry
        )
        self._call_seconds = Histogram(
            "fresh_context_tool_call_seconds",
            "Durations of tool calls.",
            ("tool",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._requests = Counter(
            "fresh_context_requests", "Requests of the protocol.", ("method", "outcome"), registry=self.registry
        )
        self._responses = Counter(
            "fresh_context_http_responses", "HTTP responses by status.", ("status",), registry=self.registry
        )
        self._received = Counter("fresh_context_http_request_bytes", "Request bodies.", registry=self.registry)
        self._sent = Counter("fresh_context_http_response_bytes", "Response bodies.", registry=self.registry)
        self._tools: set[str] = set()

    async def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return await anyio.to_thread.run_sync(generate_latest, self.registry)

    async def observe(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Count one request of the protocol: a middleware of the SDK's server."""
        if ctx.request_id is None:
            return await call_next(ctx)
        started = time.perf_counter()
        outcome = "failed"
        try:
            result = await call_next(ctx)
            outcome = "error" if _is_error(result) else "ok"
        except anyio.get_cancelled_exc_class():
            outcome = "cancelled"
            raise
        except MCPError:
            outcome = "refused"
            raise
        finally:
            self._count(ctx, outcome, time.perf_counter() - started)
        return result

    def _count(self, context: ServerRequestContext[Any, Any], outcome: str, seconds: float) -> None:
        # Labels must stay few, so what a stranger made up is not one.
        method = context.method if context.method in SPEC_CLIENT_METHODS else "other"
        self._requests.labels(method, outcome).inc()
        if method != "tools/call":
            return
        name = str((context.params or {}).get("name"))
        if outcome in ("ok", "error"):
            self._tools.add(name)
        tool = name if name in self._tools else "other"
        self._calls.labels(tool, outcome).inc()
        self._call_seconds.labels(tool).observe(seconds)

    def measured(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that its responses and bytes are counted."""

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return

            async def received() -> Message:
                message = await receive()
                self._received.inc(len(message.get("body", b"")))
                return message

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._responses.labels(str(message["status"])).inc()
                self._sent.inc(len(message.get("body", b"")))
                await send(message)

            await app(scope, received, sent)

        return counting


def _is_error(result: HandlerResult) -> bool:
    if isinstance(result, dict):
        return bool(result.get("isError"))
    return bool(getattr(result, "is_error", False))


class _Workers(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        sizes = []
        for process in psutil.Process().children(recursive=True):
            try:
                sizes.append(process.memory_info().rss)
            except psutil.Error:
                continue
        yield GaugeMetricFamily("fresh_context_workers", "Worker processes.", value=len(sizes))
        yield GaugeMetricFamily("fresh_context_workers_resident_bytes", "Memory of workers.", value=sum(sizes))
