"""Records in XML files through lxml: the element that repeats most is a row, its attributes and children columns."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.duckdb_engine.loaders.growing_table import GrowingTable
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check, optional_module, reason
from mcp_context_resources.tables.duckdb_engine.loaders.marked_text import decoded
from mcp_context_resources.tables.duckdb_engine.loaders.text_types import ALL_TYPES, settle_texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from mcp_context_resources.workers.job import Job

_MAX_BYTES: Final = 128 << 20
_CHUNK_ROWS: Final = 20_000
_MAX_COLUMNS: Final = 5_000
_DECLARATION: Final = re.compile(r"\A\s*<\?xml[^>]*\?>")


def load(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:  # noqa: ARG001
    """Make the table `data` from the records of an XML file.

    A child that itself has children becomes columns `child.grandchild`; one that repeats is joined by line breaks.

    Raises `UnreadableSourceError`, also for a file that declares entities; `DeadlineExceededError`.
    """
    root, notes = _root(path)
    tag, records = _records(job, path, root)
    notes.append(f"Each <{_local(tag)}> element is a row.")
    columns = _columns(job, path, records)
    names = unique_names(columns)
    table = GrowingTable(job, connection, names)
    for start in range(0, len(records), _CHUNK_ROWS):
        cells = [_cells_of(record) for record in records[start : start + _CHUNK_ROWS]]
        table.append([[row.get(column) for row in cells] for column in columns])
        job.progress(table.rows, len(records))
    notes += table.finish()
    settle_texts(connection, dict.fromkeys(names, ALL_TYPES))
    return notes


def _root(path: str) -> tuple[Any, list[str]]:
    etree = optional_module("lxml.etree", path)
    text, notes = decoded(path, _MAX_BYTES)
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(_DECLARATION.sub("", text.removeprefix("\ufeff")).encode(errors="replace"), parser)
    except (etree.LxmlError, ValueError) as error:
        told = reason(error, path).replace(" (<string>, line", " (line")
        raise broken(path, f"is not well-formed XML: {told}.") from error
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and next(iter(declared.iterentities()), None) is not None:
        raise broken(path, "declares entities of its own, which are not expanded here.", "Save it without them.")
    return root, notes


def _records(job: Job, path: str, root: Any) -> tuple[str, list[Any]]:
    """Find the elements of one name and one parent that repeat most; of equals, the outermost."""
    best, most, where = "", 0, None
    for parent in root.iter():
        check(job)
        counts = Counter(child.tag for child in parent)
        for tag, number in counts.most_common(1):
            if number > most:
                best, most, where = tag, number, parent
    if where is None:
        raise broken(path, "holds no records: its root element has no children.")
    return best, [child for child in where if child.tag == best]


def _columns(job: Job, path: str, records: list[Any]) -> list[str]:
    columns: dict[str, None] = {}
    for record in records:
        check(job)
        columns.update(dict.fromkeys(_cells_of(record)))
        if len(columns) > _MAX_COLUMNS:
            raise broken(path, f"has records of more than {_MAX_COLUMNS:,} different fields.")
    if not columns:
        raise broken(path, "holds records without any text or attribute.")
    return list(columns)


def _cells_of(record: Any) -> dict[str, str | None]:
    cells: dict[str, str | None] = {}
    for name, value in _fields(record, ""):
        before = cells.get(name)
        cells[name] = f"{before}\n{value}" if before is not None and value is not None else (value or before)
    return cells


def _fields(element: Any, prefix: str) -> Iterator[tuple[str, str | None]]:
    """Give name and text of all that an element holds, without recursion: nesting may be deep."""
    pending = [(element, prefix)]
    while pending:
        current, name = pending.pop()
        dot = f"{name}." if name else ""
        for attribute, value in current.attrib.items():
            yield f"{dot}{_local(attribute)}", value
        text = " ".join((current.text or "").split())
        if len(current):
            pending += [(child, f"{dot}{_local(child.tag)}") for child in reversed(current)]
            if text:
                yield f"{dot}text", text
        elif text or (name and not current.attrib):
            yield name or _local(current.tag), text or None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
