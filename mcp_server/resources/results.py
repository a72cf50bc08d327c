"""Saved results as resources. Everything here may block: run it in a thread."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from mcp_types import BlobResourceContents, ReadResourceResult, TextResourceContents

if TYPE_CHECKING:
    from mcp_context_resources.tables.saved_results import Results
    from mcp_server.redaction.redacting import Redaction

PREFIX: Final = "result://"
"""What the URIs of saved results begin with."""

_UNCHANGING_MS: Final = 60 * 60 * 1000


def read_result(results: Results, uri: str, redaction: Redaction | None) -> ReadResourceResult:
    """Return a saved result whole, redacted where `redaction` is given.

    Raises `NotFoundError`, `ResultTooLargeError`, and `InvalidInputError` for one that can't be redacted.
    """
    found = results.find(uri)
    content = results.read(found)
    one: TextResourceContents | BlobResourceContents
    if redaction is not None:
        one = TextResourceContents(uri=uri, mime_type=found.mime_type, text=redaction.saved(content, found.format))
    elif found.format == "parquet":
        one = BlobResourceContents(uri=uri, mime_type=found.mime_type, blob=base64.b64encode(content).decode())
    else:
        one = TextResourceContents(uri=uri, mime_type=found.mime_type, text=content.decode())
    return ReadResourceResult(contents=[one], ttl_ms=_UNCHANGING_MS, cache_scope="private")
