"""Telemetry: traces by OTLP over HTTP, where the settings ask for them. Nothing is imported where they don't.

The SDK of MCP makes a span of every request, a child of the caller's (W3C trace context in `_meta`), and
`mcp_server.logging.call_log` tells in it what was done. What could quote a file is left out before it is sent.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from mcp_context_resources.errors import ConfigurationError
from mcp_server import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mcp_server.settings import TelemetrySettings

_log = logging.getLogger("fresh_context")
_PATH: Final = "/v1/traces"
_BASE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_LAST_SECONDS: Final = 0.8


@contextmanager
def exporting(
    settings: TelemetrySettings, environ: Mapping[str, str] = os.environ, redact: Callable[[str], str] | None = None
) -> Iterator[None]:
    """While the block runs, send traces to where the settings or the standard variables say, if they do.

    What is left at the end gets less than a second. Raises `ConfigurationError` when the settings name a place and the
    libraries of the `telemetry` extra are missing.
    """
    endpoint = traces_endpoint(settings, environ)
    provider = None if endpoint is None else _provider(endpoint, environ, redact, wanted=bool(settings.endpoint))
    if endpoint is None or provider is None:
        yield
        return
    from opentelemetry import trace

    trace.set_tracer_provider(provider)
    parts = urlsplit(endpoint)  # of a variable it may hold a password
    _log.info("traces go to %s://%s", parts.scheme, parts.netloc.rpartition("@")[2])
    try:
        yield
    finally:
        # A collector that doesn't answer must not keep the server.
        last = threading.Thread(target=provider.shutdown, daemon=True, name="last traces")
        last.start()
        last.join(_LAST_SECONDS)


def traces_endpoint(settings: TelemetrySettings, environ: Mapping[str, str]) -> str | None:
    """Return the URL that traces are sent to; None where nobody asked for it.

    The standard variables may be meant for other programs, so with them alone nothing leaves this machine.
    """
    if settings.endpoint:
        return None if settings.endpoint == "off" else _with_path(settings.endpoint)
    if not (ambient := environ.get(_TRACES) or _with_path(environ.get(_BASE, ""))):
        return None
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    wanted = environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or wanted != "otlp" or protocol == "grpc":
        return None
    from mcp_server.http.address import is_loopback

    if not is_loopback(urlsplit(ambient).hostname or ""):
        _log.warning(
            "%s names another machine, so no traces are sent; set telemetry.endpoint if they should be",
            _TRACES if environ.get(_TRACES) else _BASE,
        )
        return None
    return ambient


def _with_path(endpoint: str) -> str:
    if not endpoint or endpoint.rstrip("/").endswith(_PATH):
        return endpoint
    return endpoint.rstrip("/") + _PATH


def _provider(
    endpoint: str, environ: Mapping[str, str], redact: Callable[[str], str] | None, *, wanted: bool
) -> Any | None:
    try:
        import requests
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from mcp_server.logging.span_export import DiscreetExporter
    except ImportError:
        if wanted:
            raise ConfigurationError(
                f"Traces are to be sent to {endpoint}, but the 'telemetry' extra is not installed.",
                "Install fresh-context[telemetry], or set telemetry.endpoint to off.",
            ) from None
        _log.info("%s is set; to send traces there, install fresh-context[telemetry]", _BASE)
        return None
    from mcp_server.http.address import is_loopback

    session = requests.Session()
    # A proxy of the environment would carry what is meant for this machine to another.
    session.trust_env = not is_loopback(urlsplit(endpoint).hostname or "")
    attributes = {"service.version": __version__}
    if not environ.get("OTEL_SERVICE_NAME") and "service.name=" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        attributes["service.name"] = "fresh-context"
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    exporter = DiscreetExporter(OTLPSpanExporter(endpoint, session=session), redact)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
