"""Saved results: files in the cache that `result://{id}` names."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from mcp_context_resources.errors import NotFoundError, ResultTooLargeError
from mcp_context_resources.provenance import utc_text

if TYPE_CHECKING:
    from pathlib import Path

ResultFormat = Literal["csv", "json", "parquet"]
"""How a result can be saved."""

MIME_TYPES: Final[dict[str, str]] = {
    "csv": "text/csv",
    "json": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
"""Format → media type."""

_NAME: Final = re.compile(r"([0-9a-f]{32})\.(csv|json|parquet)")
_PREFIX: Final = "result://"


@dataclass(frozen=True, slots=True)
class SavedResult:
    """A result in a file of the cache; `size` in bytes."""

    id: str
    format: str
    path: Path
    size: int
    modified: str

    @property
    def uri(self) -> str:
        """The resource URI."""
        return f"{_PREFIX}{self.id}"

    @property
    def mime_type(self) -> str:
        """The media type."""
        return MIME_TYPES[self.format]


class Results:
    """The saved results of a cache folder; `max_read_bytes` limits what is read through the server."""

    def __init__(self, folder: Path, max_read_bytes: int) -> None:
        self._folder = folder
        self._max_read_bytes = max_read_bytes

    @staticmethod
    def new_name(form: str) -> str:
        """Make up the file name of a new result: no one can guess another's."""
        return f"{secrets.token_hex(16)}.{form}"

    def saved(self, name: str) -> SavedResult:
        """Return the result in a file of that name; raises `NotFoundError`."""
        found = _NAME.fullmatch(name)
        path = self._folder / name
        try:
            if found is None:
                raise FileNotFoundError
            status = path.stat()
        except OSError as error:
            raise _not_found(name) from error
        modified = utc_text(datetime.fromtimestamp(status.st_mtime, UTC))
        return SavedResult(found[1], found[2], path, status.st_size, modified)

    def find(self, uri: str) -> SavedResult:
        """Return the result that a URI names; raises `NotFoundError`. Blocking: run it in a thread."""
        wanted = uri.removeprefix(_PREFIX)
        for form in MIME_TYPES:
            if _NAME.fullmatch(f"{wanted}.{form}") and (self._folder / f"{wanted}.{form}").is_file():
                return self.saved(f"{wanted}.{form}")
        raise _not_found(uri)

    def read(self, result: SavedResult) -> bytes:
        """Read a whole result. Blocking: run it in a thread.

        Raises `ResultTooLargeError` beyond the limit, `NotFoundError` when it was evicted meanwhile.
        """
        if result.size > self._max_read_bytes:
            raise ResultTooLargeError(
                f"The result has {result.size:,} bytes; {self._max_read_bytes:,} can be read through the server.",
                f"Open the file itself: {result.path}",
            )
        try:
            return result.path.read_bytes()
        except OSError as error:
            raise _not_found(result.uri) from error


def _not_found(name: str) -> NotFoundError:
    return NotFoundError(
        f"There is no saved result {name!r}; results are removed when the cache needs room.",
        "Run query_tables with save again.",
    )
