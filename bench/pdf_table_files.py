"""PDFs with tables of known content, set from real CSVs in many styles."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import BaseDocTemplate, Frame, PageBreak, PageTemplate, Paragraph, Spacer, Table, TableStyle

from bench.serving import EXAMPLE_DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.pdf_table_scores import TrueTable

_FONTS: Final = Path("/usr/share/fonts/truetype/bizud-gothic")
_LATIN: Final = ("Helvetica", "Helvetica-Bold")
_JAPANESE: Final = ("BIZUDPGothic", "BIZUDPGothic-Bold")
_GREY: Final = colors.HexColor("#d8dde3")
_LIGHT: Final = colors.HexColor("#eef1f4")
_BLACK: Final = colors.black
_ENGLISH_PROSE: Final = (
    "The figures below are those the office keeps. They were counted by hand on every day of the season, and what "
    "was counted twice was struck out; the reader who wants to know more will find the method described at the end. "
    "No figure was rounded, and where a day is missing nothing was put in its place."
)
_JAPANESE_PROSE: Final = (
    "以下の数値は事務所が保管する記録による。毎日手で数えたもので、二重に数えたものは除いた。"
    "方法の詳しい説明は巻末にある。数値は丸めておらず、欠けている日には何も補っていない。"
)

Rows = list[list[str]]
Commands = list[tuple[Any, ...]]


@dataclass(slots=True)
class MadeFile:
    """A PDF and the true tables of each of its pages."""

    name: str
    path: Path
    pages: list[list[TrueTable]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Data:
    rows: Rows
    japanese: bool = False
    numeric_from: int = 1

    @property
    def fonts(self) -> tuple[str, str]:
        return _JAPANESE if self.japanese else _LATIN


def made_files(folder: Path, penguins: Path, airports: Path) -> list[MadeFile]:
    """Write all made PDFs into a folder; the Japanese ones only where their font is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    sets = {
        "penguins": _Data(_csv(penguins / "penguins.csv", rows=14, step=23), numeric_from=2),
        "airports": _Data(_csv(airports / "airports.csv", rows=11, step=97, columns=(0, 1, 2, 3, 4)), numeric_from=2),
        "trips": _Data(_csv(EXAMPLE_DATA / "ridership/trips.csv", rows=16, step=37)),
    }
    japanese = _register()
    if japanese:
        text = (EXAMPLE_DATA / "stops/停留所.csv").read_bytes().decode("cp932")
        sets["stops"] = _Data(list(csv.reader(io.StringIO(text)))[:13], japanese=True, numeric_from=9)
    files = [
        _styled(folder, f"{data_name} {style}", data, _STYLES[style])
        for data_name, style in _PLAN
        if data_name in sets
        for data in [sets[data_name]]
    ]
    files += [
        _spanned(folder, ruled=True),
        _spanned(folder, ruled=False),
        _row_spans(folder),
        _wrapped(folder, ruled=True),
    ]
    files += [_wrapped(folder, ruled=False), _two(folder, sets["penguins"]), _long(folder, sets["trips"].fonts)]
    files += [_rotated(folder, sets["trips"]), _beside_prose(folder, sets["penguins"])]
    if japanese:
        files += [_japanese_spans(folder), _japanese_wrapped(folder), _rotated(folder, sets["stops"])]
    return files


def _register() -> bool:
    if not _FONTS.is_dir():
        return False
    for name in _JAPANESE:
        style = name.removeprefix("BIZUDPGothic").removeprefix("-") or "Regular"
        pdfmetrics.registerFont(TTFont(name, str(_FONTS / f"BIZUDPGothic-{style}.ttf")))
    return True


def _csv(path: Path, *, rows: int, step: int, columns: Sequence[int] | None = None) -> Rows:
    with path.open(encoding="utf-8") as file:
        read = list(csv.reader(file))
    chosen = [read[0], *read[1::step][:rows]]
    return [[row[column] for column in columns] for row in chosen] if columns else chosen


def _grid(_: Rows) -> Commands:
    return [("GRID", (0, 0), (-1, -1), 0.5, _BLACK)]


def _booktabs(_: Rows) -> Commands:
    return [
        ("LINEABOVE", (0, 0), (-1, 0), 1, _BLACK),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, _BLACK),
        ("LINEBELOW", (0, -1), (-1, -1), 1, _BLACK),
    ]


def _row_rules(_: Rows) -> Commands:
    return [("LINEABOVE", (0, 0), (-1, -1), 0.4, _BLACK), ("LINEBELOW", (0, -1), (-1, -1), 0.4, _BLACK)]


def _frame(_: Rows) -> Commands:
    return [("BOX", (0, 0), (-1, -1), 0.8, _BLACK)]


def _zebra(rows: Rows) -> Commands:
    return [("BACKGROUND", (0, row), (-1, row), _LIGHT) for row in range(1, len(rows), 2)]


def _cells(rows: Rows) -> Commands:
    white = [("GRID", (0, 0), (-1, -1), 2, colors.white)]
    return [("BACKGROUND", (0, 0), (-1, 0), _GREY), ("BACKGROUND", (0, 1), (-1, len(rows) - 1), _LIGHT), *white]


def _double(_: Rows) -> Commands:
    return [("GRID", (0, 0), (-1, -1), 0.4, _BLACK, "butt", None, "miter", 2, 1.6)]


def _dashed(_: Rows) -> Commands:
    return [("GRID", (0, 0), (-1, -1), 0.5, _BLACK, "butt", (2, 2))]


def _uprights(_: Rows) -> Commands:
    return [
        ("INNERGRID", (0, 0), (-1, 0), 0.5, _BLACK),
        ("LINEAFTER", (0, 0), (-2, -1), 0.5, _BLACK),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, _BLACK),
    ]


def _bare(_: Rows) -> Commands:
    return []


def _filled_head(_: Rows) -> Commands:
    return [("BACKGROUND", (0, 0), (-1, 0), _GREY)]


def _framed_columns(_: Rows) -> Commands:
    return [
        ("BOX", (0, 0), (-1, -1), 0.8, _BLACK),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, _BLACK),
        ("LINEAFTER", (0, 0), (-2, -1), 0.4, _BLACK),
    ]


def _tight(_: Rows) -> Commands:
    pads = [(pad, (0, 0), (-1, -1), 1.2) for pad in ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")]
    return [("GRID", (0, 0), (-1, -1), 0.25, _BLACK), *pads]


_STYLES: Final[dict[str, Callable[[Rows], Commands]]] = {
    "grid": _grid,
    "booktabs": _booktabs,
    "row rules": _row_rules,
    "frame": _frame,
    "zebra": _zebra,
    "cell backgrounds": _cells,
    "double lines": _double,
    "dashed lines": _dashed,
    "vertical lines": _uprights,
    "bare": _bare,
    "filled header": _filled_head,
    "framed columns": _framed_columns,
    "tight grid": _tight,
}
_PLAN: Final = tuple(
    (data, style)
    for data, styles in {
        "penguins": ("grid", "booktabs", "frame", "zebra", "cell backgrounds", "bare", "tight grid"),
        "airports": ("grid", "booktabs", "row rules", "dashed lines", "bare", "filled header"),
        "trips": ("booktabs", "double lines", "vertical lines", "bare", "framed columns", "zebra"),
        "stops": ("grid", "booktabs", "row rules", "cell backgrounds", "zebra", "bare", "frame"),
    }.items()
    for style in styles
)


def _table(
    data: _Data, commands: Commands, *, rows: Rows | None = None, widths: Sequence[float] | None = None
) -> Table:
    regular, bold = data.fonts
    table = Table(rows or data.rows, colWidths=widths)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), regular, 9),
                ("FONT", (0, 0), (-1, 0), bold, 9),
                ("ALIGN", (data.numeric_from, 0), (-1, -1), "RIGHT"),
                *commands,
            ]
        )
    )
    return table


def _prose(japanese: bool = False) -> Paragraph:
    style = ParagraphStyle("text", fontName=_JAPANESE[0] if japanese else _LATIN[0], fontSize=10, leading=14)
    style.wordWrap = "CJK" if japanese else None
    return Paragraph(_JAPANESE_PROSE if japanese else _ENGLISH_PROSE, style)


def _write(folder: Path, name: str, pages: Sequence[Sequence[Any]], truths: list[list[TrueTable]]) -> MadeFile:
    path = folder / f"{name}.pdf"
    document = BaseDocTemplate(str(path), pagesize=A4, invariant=1)
    frame = Frame(60, 60, A4[0] - 120, A4[1] - 120)
    document.addPageTemplates([PageTemplate(frames=[frame])])
    story: list[Any] = []
    for place, flowables in enumerate(pages):
        story += [PageBreak()] if place else []
        story += flowables
    document.build(story)
    return MadeFile(name, path, truths)


def _true(rows: Rows) -> TrueTable:
    return [list(row) for row in rows]


def _styled(folder: Path, name: str, data: _Data, style: Callable[[Rows], Commands]) -> MadeFile:
    flowables = [
        _prose(data.japanese),
        Spacer(1, 16),
        _table(data, style(data.rows)),
        Spacer(1, 16),
        _prose(data.japanese),
    ]
    return _write(folder, name, [flowables], [[_true(data.rows)]])


_QUARTERS: Final[Rows] = [
    ["Line", "2024", "", "2025", ""],
    ["", "Boardings", "Fares", "Boardings", "Fares"],
    ["Harbour", "176,431", "3,045,100", "181,002", "3,121,870"],
    ["Hill", "62,110", "1,073,700", "60,984", "1,050,020"],
    ["Castle", "39,902", "752,500", "41,377", "780,410"],
    ["Airport", "8,015", "402,000", "12,690", "634,500"],
    ["Night", "1,204", "30,100", "1,377", "34,425"],
]


def _spanned(folder: Path, *, ruled: bool) -> MadeFile:
    """Headings that span two columns each."""
    commands: Commands = [
        ("SPAN", (1, 0), (2, 0)),
        ("SPAN", (3, 0), (4, 0)),
        ("SPAN", (0, 0), (0, 1)),
        ("ALIGN", (1, 0), (-1, 0), "CENTER"),
        ("FONT", (0, 1), (-1, 1), "Helvetica-Bold", 9),
    ]
    if ruled:
        commands += [("GRID", (0, 0), (-1, -1), 0.5, _BLACK)]
    else:
        commands += [
            ("LINEABOVE", (0, 0), (-1, 0), 1, _BLACK),
            ("LINEBELOW", (1, 0), (2, 0), 0.4, _BLACK),
            ("LINEBELOW", (3, 0), (4, 0), 0.4, _BLACK),
            ("LINEBELOW", (0, 1), (-1, 1), 0.5, _BLACK),
            ("LINEBELOW", (0, -1), (-1, -1), 1, _BLACK),
        ]
    table = _table(_Data(_QUARTERS), commands)
    truth: TrueTable = [
        ["Line", "2024", ("2024", ""), "2025", ("2025", "")],
        [("Line", ""), *_QUARTERS[1][1:]],
        *_true(_QUARTERS[2:]),
    ]
    if not ruled:
        truth[0][0], truth[1][0] = ("Line", ""), "Line"
    name = "headings that span columns, " + ("grid" if ruled else "horizontal rules")
    return _write(folder, name, [[_prose(), Spacer(1, 14), table]], [[truth]])


def _row_spans(folder: Path) -> MadeFile:
    """Labels that span rows."""
    rows: Rows = [
        ["Island", "Species", "Sex", "Count"],
        ["Biscoe", "Adelie", "female", "22"],
        ["", "", "male", "22"],
        ["", "Gentoo", "female", "58"],
        ["", "", "male", "61"],
        ["Dream", "Adelie", "female", "27"],
        ["", "", "male", "28"],
    ]
    commands: Commands = [
        ("GRID", (0, 0), (-1, -1), 0.5, _BLACK),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        *(("SPAN", (0, first), (0, last)) for first, last in ((1, 4), (5, 6))),
        *(("SPAN", (1, first), (1, last)) for first, last in ((1, 2), (3, 4), (5, 6))),
    ]
    truth: TrueTable = _true(rows)
    for column in (0, 1):
        above = ""
        for row, line in enumerate(rows[1:], start=1):
            above = line[column] or above
            if not line[column]:
                truth[row][column] = (above, "")
    table = _table(_Data(rows, numeric_from=3), commands)
    return _write(folder, "labels that span rows", [[_prose(), Spacer(1, 14), table]], [[truth]])


_ADVICE: Final[Rows] = [
    ["Signal", "Meaning", "What to do", "Code"],
    ["Red lamp", "The line ahead is closed until the section is clear", "Stop and wait for the lamp to change", "11"],
    ["Two bells", "A passenger wants to get off", "Stop at the next platform", "12"],
    ["Long horn", "The car behind has lost its brakes and needs room", "Clear the siding at once and report", "27"],
    ["White flag", "Works on the track", "Pass at walking pace", "31"],
    ["Blue lamp", "The wire is dead beyond this point", "Lower the bow, coast, raise it behind the section", "35"],
]


def _wrapped(folder: Path, *, ruled: bool) -> MadeFile:
    """Cells whose text takes several lines."""
    style = ParagraphStyle("cell", fontName="Helvetica", fontSize=9, leading=11)
    rows: list[list[Any]] = [list(_ADVICE[0])]
    rows += [[row[0], Paragraph(row[1], style), Paragraph(row[2], style), row[3]] for row in _ADVICE[1:]]
    commands = (_grid if ruled else _booktabs)(_ADVICE)
    table = _table(
        _Data(_ADVICE, numeric_from=3),
        [("VALIGN", (0, 0), (-1, -1), "TOP"), *commands],
        rows=rows,
        widths=(70, 150, 140, 40),
    )
    name = "cells of several lines, " + ("grid" if ruled else "horizontal rules")
    return _write(folder, name, [[_prose(), Spacer(1, 14), table]], [[_true(_ADVICE)]])


def _two(folder: Path, data: _Data) -> MadeFile:
    """Two tables on a page, with their captions."""
    caption = ParagraphStyle("caption", fontName="Helvetica-Oblique", fontSize=9, leading=14)
    first, second = data.rows[:6], [data.rows[0][:5], *(row[:5] for row in data.rows[6:12])]
    flowables = [
        Paragraph("Table 1: Penguins of the first island", caption),
        _table(data, _booktabs(first), rows=first),
        Spacer(1, 20),
        _prose(),
        Spacer(1, 20),
        Paragraph("Table 2: Penguins of the others", caption),
        _table(data, _booktabs(second), rows=second),
    ]
    return _write(folder, "two tables on a page", [flowables], [[_true(first), _true(second)]])


def _long(folder: Path, fonts: tuple[str, str]) -> MadeFile:
    """Set a table over three pages, its header on each of them."""
    rows = _csv(EXAMPLE_DATA / "ridership/trips.csv", rows=105, step=5)
    parts = [[rows[0], *rows[start : start + 35]] for start in (1, 36, 71)]
    data = _Data(rows)
    assert fonts == data.fonts
    pages = [[_table(data, _grid(part), rows=part)] for part in parts]
    return _write(folder, "a table over three pages", pages, [[_true(part)] for part in parts])


def _rotated(folder: Path, data: _Data) -> MadeFile:
    """Store a page on its side, turned upright for display."""
    from pypdf import PdfWriter, Transformation

    made = _write(
        folder,
        f"turned page, {'Japanese' if data.japanese else 'English'}",
        [[_table(data, _grid(data.rows))]],
        [[_true(data.rows)]],
    )
    writer = PdfWriter(clone_from=made.path)
    page = writer.pages[0]
    width, height = float(page.mediabox.width), float(page.mediabox.height)
    page.add_transformation(Transformation((0, 1, -1, 0, height, 0)))
    for box in (page.mediabox, page.cropbox):
        box.lower_left, box.upper_right = (0, 0), (height, width)
    page.rotate(90)
    writer.write(made.path)
    writer.close()
    return made


def _beside_prose(folder: Path, data: _Data) -> MadeFile:
    """Set a table within one of two columns of prose."""
    path = folder / "a table within an article in two columns.pdf"
    document = BaseDocTemplate(str(path), pagesize=A4, invariant=1)
    width = (A4[0] - 130) / 2
    frames = [Frame(55, 60, width, A4[1] - 120, id="left"), Frame(75 + width, 60, width, A4[1] - 120, id="right")]
    document.addPageTemplates([PageTemplate(frames=frames)])
    rows = [row[:4] for row in data.rows[:8]]
    table = _table(data, _booktabs(rows), rows=rows)
    story: list[Any] = []
    for _ in range(3):
        story += [_prose(), Spacer(1, 6)]
    story += [table, Spacer(1, 6)]
    for _ in range(7):
        story += [_prose(), Spacer(1, 6)]
    document.build(story)
    return MadeFile(path.stem, path, [[_true(rows)]])


def _japanese_spans(folder: Path) -> MadeFile:
    rows: Rows = [
        ["路線", "令和6年度", "", "令和7年度", ""],
        ["", "乗車人員", "運賃収入", "乗車人員", "運賃収入"],
        ["港線", "176,431人", "3,045,100円", "181,002人", "3,121,870円"],
        ["山手線", "62,110人", "1,073,700円", "60,984人", "1,050,020円"],
        ["城下線", "39,902人", "752,500円", "41,377人", "780,410円"],
    ]
    commands: Commands = [
        ("SPAN", (1, 0), (2, 0)),
        ("SPAN", (3, 0), (4, 0)),
        ("SPAN", (0, 0), (0, 1)),
        ("ALIGN", (1, 0), (-1, 0), "CENTER"),
        ("GRID", (0, 0), (-1, -1), 0.5, _BLACK),
        ("BACKGROUND", (0, 0), (-1, 1), _GREY),
    ]
    truth: TrueTable = [
        ["路線", "令和6年度", ("令和6年度", ""), "令和7年度", ("令和7年度", "")],
        [("路線", ""), *rows[1][1:]],
        *_true(rows[2:]),
    ]
    table = _table(_Data(rows, japanese=True), commands)
    return _write(folder, "Japanese headings that span columns", [[_prose(True), Spacer(1, 14), table]], [[truth]])


def _japanese_wrapped(folder: Path) -> MadeFile:
    rows: Rows = [
        ["合図", "意味", "取るべき行動", "符号"],
        ["赤灯", "前方の区間が閉じている。区間が空くまで進んではならない。", "停止し、灯の色が変わるのを待つ。", "11"],
        ["鐘二つ", "降車する客がいる。", "次の停留所に停める。", "12"],
        ["長笛", "後続の車両のブレーキが利かず、場所を空ける必要がある。", "直ちに側線を空け、指令に報告する。", "27"],
    ]
    style = ParagraphStyle("cell", fontName=_JAPANESE[0], fontSize=9, leading=12, wordWrap="CJK")
    cells: list[list[Any]] = [list(rows[0])]
    cells += [[row[0], Paragraph(row[1], style), Paragraph(row[2], style), row[3]] for row in rows[1:]]
    commands = [("VALIGN", (0, 0), (-1, -1), "TOP"), *_row_rules(rows)]
    table = _table(_Data(rows, japanese=True, numeric_from=3), commands, rows=cells, widths=(60, 150, 130, 40))
    return _write(folder, "Japanese cells of several lines", [[_prose(True), Spacer(1, 14), table]], [[_true(rows)]])
