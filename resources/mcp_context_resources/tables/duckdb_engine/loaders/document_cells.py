"""Document cells: tables taken out of documents, a JSON file `{"columns": […], "rows": [[…]], "notes": […]}`."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.duckdb_engine.loaders.growing_table import GrowingTable
from mcp_context_resources.tables.duckdb_engine.loaders.text_types import ALL_TYPES, settle_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from mcp_context_resources.workers.job import Job

# A number as people print it: thousands set apart, a real minus sign, or a triangle for one in Japanese accounts.
_PRINTED_NUMBER: Final = re.compile(r"[-−–▲△]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_NOTHING: Final = frozenset({"", "-", "−", "–", "—", "―", "…", "n/a", "N/A"})
_MINUS: Final = str.maketrans(dict.fromkeys("−–▲△", "-"))


def load(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:  # noqa: ARG001 - one signature for all formats
    """Make the table `data`; columns of nothing but printed numbers become numbers, dashes among them null."""
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    names = unique_names(content["columns"])
    columns = [list(column) for column in zip(*content["rows"], strict=True)] or [[] for _ in names]
    table = GrowingTable(job, connection, names)
    table.append([_numbers(column) for column in columns])
    notes = table.finish()
    settle_texts(connection, dict.fromkeys(names, ALL_TYPES))
    return [*content["notes"], *notes]


def _numbers(column: Sequence[str]) -> list[str | None]:
    """Write a column of printed numbers as SQL does; leave any other as it is, empty cells null."""
    texts = [unicodedata.normalize("NFKC", cell).strip() for cell in column]
    filled = [text for text in texts if text not in _NOTHING]
    if filled and all(_PRINTED_NUMBER.fullmatch(text) for text in filled):
        return [
            None if text in _NOTHING else text.translate(_MINUS).replace(",", "").replace(" ", "") for text in texts
        ]
    return [cell or None for cell in column]
