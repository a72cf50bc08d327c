"""Sheet XML: what the workbook reader doesn't tell of an Office Open XML sheet, error cells and how far it goes."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.workers.job import Job

_BLOCK_BYTES: Final = 4 << 20
_MAX_INDEX_BYTES: Final = 4 << 20
_ERROR_CELL: Final = re.compile(rb'<(?:\w+:)?c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]{1,3})\d+"')
_VALUE: Final = re.compile(rb"<(?:\w{1,10}:)?(?:v|is)[ >]")
_LONGEST_TAG: Final = 16
_TAIL_BYTES: Final = 65_536
_CELL_NAME_BYTES: Final = 6
_CELL_ROW: Final = re.compile(rb'\br="[A-Z]{1,3}(\d{1,7})"')
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass(slots=True)
class SheetScan:
    """Error cells by column letter, and the farthest column and row any cell names."""

    errors: Counter[str] = field(default_factory=Counter)
    last_column: int = 0
    last_row: int = 0


def scan_sheet(job: Job, path: str, sheet: str) -> SheetScan | None:
    """Look through a sheet's XML; None where the file is no such workbook.

    Raises `DeadlineExceededError`.
    """
    scan, rest = SheetScan(), b""
    for block in _blocks(job, path, sheet):
        text = rest + block
        rest = text[text.rfind(b"<") :]
        _count(scan, text[: len(text) - len(rest)])
    _count(scan, rest)
    return scan if rest else None


def holds_values(job: Job, path: str, sheet: str) -> bool | None:
    """Tell whether a sheet has a cell with a value; None where the file is no such workbook."""
    rest, found = b"", None
    for block in _blocks(job, path, sheet):
        found = _VALUE.search(rest + block) is not None
        if found:
            break
        rest = block[-_LONGEST_TAG:]
    return found


def _blocks(job: Job, path: str, sheet: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            part = _part_of(archive, sheet)
            if part is None:
                return
            with archive.open(part) as stream:
                while block := stream.read(_BLOCK_BYTES):
                    check(job)
                    yield block
    except (zipfile.BadZipFile, KeyError, ET.ParseError):
        return


def _count(scan: SheetScan, text: bytes) -> None:
    if b't="e"' in text:
        scan.errors.update(letters.decode() for letters in _ERROR_CELL.findall(text))
    tail = _CELL_ROW.findall(text[-_TAIL_BYTES:])
    scan.last_row = max(scan.last_row, *map(int, tail), 0)
    scan.last_column = max(scan.last_column, _farthest_column(text))


def _farthest_column(text: bytes) -> int:
    """Return the largest column number among cell names, `r="AB12"`: by arrays, since sheets have millions of cells."""
    import numpy as np

    if len(text) < _CELL_NAME_BYTES:
        return 0
    codes = np.frombuffer(text, np.uint8)
    starts = np.flatnonzero((codes[:-5] == ord("r")) & (codes[1:-4] == ord("=")) & (codes[2:-3] == ord('"'))) + 3
    number, going_on = np.zeros(len(starts), np.int64), np.ones(len(starts), bool)
    for position in range(3):
        letter = codes[np.minimum(starts + position, len(codes) - 1)].astype(np.int64) - 64
        going_on &= (letter >= 1) & (letter <= 26)
        number = np.where(going_on, number * 26 + letter, number)
    return int(number.max(initial=0))


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    workbook = _index(archive, "xl/workbook.xml")
    if workbook is None:
        return None
    relation = next(
        (entry.get(_RELATION) for entry in workbook.iterfind(".//{*}sheet") if entry.get("name") == sheet),
        None,
    )
    relations = _index(archive, "xl/_rels/workbook.xml.rels")
    if relation is None or relations is None:
        return None
    target = next(
        (entry.get("Target") or "" for entry in relations.iterfind("{*}Relationship") if entry.get("Id") == relation),
        "",
    )
    part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return part if part.endswith(".xml") and part in archive.namelist() else None


def _index(archive: zipfile.ZipFile, name: str) -> ET.Element | None:
    """Parse a small part of the archive, unless it declares entities, which no program writes there."""
    if name not in archive.namelist() or archive.getinfo(name).file_size > _MAX_INDEX_BYTES:
        return None
    content = archive.read(name)
    if b"<!" in content:
        return None
    return ET.fromstring(content)  # noqa: S314 - bounded in size and free of declarations
