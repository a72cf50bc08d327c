"""The templates: how URIs of resources are made, and what each kind of resource is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mcp_types import ListResourceTemplatesResult, PaginatedRequestParams, ResourceTemplate

from mcp_server.resources.icons import icon
from mcp_server.wire.errors import refuse_cursor

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

    from mcp_context_tools.tool import Services

MARKDOWN: Final = "text/markdown"
TEXT: Final = "text/plain"
JSON: Final = "application/json"
PNG: Final = "image/png"

_VARIABLE: Final = re.compile(r"{(\w+)}")


def _template(name: str, title: str, uri: str, mime_type: str | None, description: str) -> ResourceTemplate:
    kind = uri.partition("://")[0]
    return ResourceTemplate(
        name=name, title=title, uri_template=uri, mime_type=mime_type, description=description, icons=[icon(kind)]
    )


TEMPLATES: Final = (
    _template(
        "table",
        "Table",
        "table://{name}",
        MARKDOWN,
        "What a table holds: columns with types and ranges, the first rows, which tables it joins with.",
    ),
    _template("table_schema", "Table schema", "table://{name}/schema", JSON, "The columns of a table as JSON."),
    _template(
        "document",
        "Document",
        "document://{name}",
        MARKDOWN,
        "A document from its beginning: properties, outline, and as many of the first pages as fit.",
    ),
    _template(
        "document_page",
        "Page of a document",
        "document://{name}/page/{n}",
        TEXT,
        "The text of a page (1, 2, …), of several (2-4), or of a cited place (3#chars=120-240).",
    ),
    _template(
        "document_page_image",
        "Picture of a page",
        "document://{name}/page/{n}/image",
        PNG,
        "A page of a PDF as it looks; #chars=120-240 behind it marks that passage.",
    ),
    _template("model", "Model", "model://{name}", JSON, "What a local model is, what it is for, the memory it takes."),
    _template(
        "result",
        "Saved result",
        "result://{id}",
        None,
        "The whole result of query_tables with save, as CSV, NDJSON or Parquet.",
    ),
)
"""All templates, in the order in which they are listed."""


def variables(template: ResourceTemplate) -> list[str]:
    """Return the names of what is to be filled in, in order."""
    return _VARIABLE.findall(template.uri_template)


async def list_resource_templates(
    _context: ServerRequestContext[Services], params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    """Answer `resources/templates/list`: one page, always in the same order."""
    refuse_cursor(params)
    return ListResourceTemplatesResult(resource_templates=list(TEMPLATES))
