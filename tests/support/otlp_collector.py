"""A collector of traces for tests: it takes OTLP over HTTP as the real ones do, and keeps it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Collector:
    """What was received: whole bodies, and the paths they were sent to."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.arrived = threading.Event()
        self.answering = threading.Event()

    @property
    def spans(self) -> list[Any]:
        """All spans received."""
        scoped = [scope for resource in self._resources() for scope in resource.scope_spans]
        return [span for scope in scoped for span in scope.spans]

    @property
    def resource(self) -> dict[str, str]:
        """The attributes of the first resource received."""
        return {pair.key: pair.value.string_value for pair in self._resources()[0].resource.attributes}

    def named(self, name: str) -> Any:
        """Return the one span of a name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def _resources(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [resource for request in requests for resource in request.resource_spans]


@contextmanager
def collecting(*, answers: bool = True) -> Iterator[Collector]:
    """Run a collector on a free port; one that doesn't answer leaves everyone waiting until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.paths.append(self.path)
            collector.bodies.append(body)
            collector.arrived.set()
            collector.answering.wait()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing: the test's output is not for requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_port)
        if answers:
            collector.answering.set()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.answering.set()
            server.shutdown()
            thread.join()


def attributes_of(span: Any) -> dict[str, Any]:
    """Return the attributes of a span as plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}
