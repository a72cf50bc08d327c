"""The viewer: one page that shows results of `query_tables` and `read_document`, as an MCP App (SEP-1865).

A host that supports the extension `io.modelcontextprotocol/ui` reads the page by its URI, shows it in a sandboxed frame
and hands it the result of the call. To other hosts nothing changes.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Final

from mcp_types import ReadResourceResult, Resource, TextResourceContents

EXTENSION: Final = "io.modelcontextprotocol/ui"
"""What the server's capabilities name, and hosts' too."""

VIEWER_URI: Final = "ui://fresh-context/viewer"
"""The page's URI, to which the tools it is for point."""

MIME_TYPE: Final = "text/html;profile=mcp-app"
"""What tells hosts that a resource is a page to show."""

_VIEW: Final = Path(__file__).parent / "view"
_STYLE: Final = "viewer.css"
# In this order: each uses only what stands before it.
_SCRIPTS: Final = (
    "words.js",
    "elements.js",
    "values.js",
    "bridge.js",
    "grid.js",
    "scales.js",
    "chart.js",
    "table_view.js",
    "page_picture.js",
    "page_text.js",
    "document_view.js",
    "viewer.js",
)
_SHOWN_BY_VIEWER: Final = frozenset(("query_tables", "read_document"))
_DAY_MS: Final = 24 * 60 * 60 * 1000


def app_resources() -> list[Resource]:
    """Return the pages as `resources/list` shows them."""
    return [
        Resource(
            uri=VIEWER_URI,
            name="viewer",
            title="Viewer",
            description="Shows rows as a table that can be sorted and charted, and pages of documents as they look.",
            mime_type=MIME_TYPE,
            size=len(viewer_html().encode()),
            _meta=_meta(),
        )
    ]


def read_app(uri: str) -> ReadResourceResult | None:
    """Answer `resources/read` of a page; None for any other URI."""
    if uri != VIEWER_URI:
        return None
    page = TextResourceContents(uri=VIEWER_URI, mime_type=MIME_TYPE, text=viewer_html(), _meta=_meta())
    return ReadResourceResult(contents=[page], ttl_ms=_DAY_MS, cache_scope="public")


def tool_meta(name: str) -> dict[str, Any] | None:
    """Return what a tool's definition says in `_meta` for hosts that show pages; None for a tool without one."""
    return {"ui": {"resourceUri": VIEWER_URI}} if name in _SHOWN_BY_VIEWER else None


def viewer_html() -> str:
    """Put the page together from its files: one document that loads nothing.

    Its own content security policy lets no script run but this one, whatever the host allows.
    """
    style = _slim(_read(_STYLE))
    script = "\n".join(['"use strict";', "(() => {", *(_slim(_read(name)) for name in _SCRIPTS), "})();"])
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    html = _read("viewer.html")
    for place, content in (("{policy}", policy), ("{style}", style), ("{script}", script)):
        html = html.replace(place, content, 1)
    return html


def _read(name: str) -> str:
    return (_VIEW / name).read_text(encoding="utf-8")


def _slim(content: str) -> str:
    """Leave out indents and lines of comment, which are for readers of the files: no text goes over several lines."""
    lines = (line.strip() for line in content.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _source(content: str) -> str:
    """Name an inline script or style by its hash (Content Security Policy Level 3, 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _meta() -> dict[str, Any]:
    """Say that the page needs no network, and that a border suits it."""
    return {"ui": {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}}
