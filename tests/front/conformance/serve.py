"""Serve the real server with the suite's fixtures: `python -m tests.front.conformance.serve [--port N] [--bare]`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mcp_server.http.serving import serve_http
from mcp_server.http.settings import HttpSettings
from mcp_server.settings import Settings
from tests.front.conformance.fixtures import add_fixtures
from tests.support.serving import EXAMPLE_DATA


def main() -> int:
    """Serve the example data until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8770)
    parser.add_argument("--bare", action="store_true", help="leave the suite's fixtures out")
    parser.add_argument("--sessions", action="store_true", help="keep sessions, as 2025-11-25 needs for questions")
    chosen = parser.parse_args()
    http = HttpSettings(address=f"127.0.0.1:{chosen.port}", anonymous=True, sessions=chosen.sessions)
    with tempfile.TemporaryDirectory() as cache:
        settings = Settings.model_validate(
            {"workspace": {"roots": [EXAMPLE_DATA]}, "storage": {"cache_dir": Path(cache)}}
        )
        return serve_http(settings, http, extend=None if chosen.bare else add_fixtures)


if __name__ == "__main__":
    raise SystemExit(main())
