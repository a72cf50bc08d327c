"""Metrics for Prometheus: counts and durations. Nothing of what is asked or answered is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread
import psutil
from mcp_types.methods import SPEC_CLIENT_METHODS
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mcp_server.logging.call_log import Call

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_BYTES: Final = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 1 << 20, 4 << 20)


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
        self._call_errors = self._per_tool("fresh_context_tool_errors", "Errors of tool calls by code.", "code")
        self._call_rows = self._per_tool("fresh_context_tool_rows", "Rows that answers of tools tell of.")
        self._call_bytes = Histogram(
            "fresh_context_tool_answer_bytes",
            "Sizes of answers of tools.",
            ("tool",),
            buckets=_BYTES,
            registry=self.registry,
        )
        self._call_queue = self._per_tool("fresh_context_tool_queue_seconds", "Time calls waited for a worker.")
        self._call_work = self._per_tool("fresh_context_tool_worker_seconds", "Time workers spent on calls.")
        self._requests = Counter(
            "fresh_context_requests", "Requests of the protocol.", ("method", "outcome"), registry=self.registry
        )
        self._responses = Counter(
            "fresh_context_http_responses", "HTTP responses by status.", ("status",), registry=self.registry
        )
        self._received = Counter("fresh_context_http_request_bytes", "Request bodies.", registry=self.registry)
        self._sent = Counter("fresh_context_http_response_bytes", "Response bodies.", registry=self.registry)
        self._tools: set[str] = set()

    def _per_tool(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, ("tool", *labels), registry=self.registry)

    async def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return await anyio.to_thread.run_sync(generate_latest, self.registry)

    def count(self, call: Call) -> None:
        """Count one request of the protocol that has ended."""
        # Labels must stay few, so what a stranger made up is not one.
        method = call.method if call.method in SPEC_CLIENT_METHODS else "other"
        self._requests.labels(method, call.outcome).inc()
        if method != "tools/call":
            return
        if call.outcome in ("ok", "error"):
            self._tools.add(call.name)
        tool = call.name if call.name in self._tools else "other"
        self._calls.labels(tool, call.outcome).inc()
        self._call_seconds.labels(tool).observe(call.seconds)
        if call.code and tool != "other":
            self._call_errors.labels(tool, call.code).inc()
        self._call_rows.labels(tool).inc(call.rows or 0)
        self._call_bytes.labels(tool).observe(call.size or 0)
        self._call_queue.labels(tool).inc(call.waited)
        self._call_work.labels(tool).inc(call.worked)

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
