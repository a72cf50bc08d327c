"""Tables found on PDF pages: what is one, what is in it, and what only looks like one."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import pypdfium2
import pytest
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, Table, TableStyle

from mcp_context_resources.documents.geometry import Box
from mcp_context_resources.documents.pdf.tables.find import column_names, continues, find_tables, joined
from mcp_context_resources.documents.pdf.tables.grid import PageTable

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [
    ["Stop", "Line", "Boardings", "Fares"],
    ["Harbour", "Blue", "1,764", "304,510"],
    ["Castle", "Blue", "621", "107,370"],
    ["Hill", "Red", "399", "75,250"],
    ["Market", "Red", "1,052", "185,180"],
    ["Airport", "Green", "94", "17,530"],
]
GRID = [("GRID", (0, 0), (-1, -1), 0.5, colors.black)]
BOOKTABS = [
    ("LINEABOVE", (0, 0), (-1, 0), 1, colors.black),
    ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
    ("LINEBELOW", (0, -1), (-1, -1), 1, colors.black),
]
STYLES: dict[str, list[tuple[Any, ...]]] = {
    "full grid": GRID,
    "horizontal rules": BOOKTABS,
    "rule under each row": [("LINEBELOW", (0, 0), (-1, -1), 0.5, colors.black)],
    "frame": [("BOX", (0, 0), (-1, -1), 1, colors.black)],
    "shaded rows": [("BACKGROUND", (0, row), (-1, row), colors.lightgrey) for row in (1, 3, 5)],
    "cell backgrounds": [
        ("BACKGROUND", (0, 0), (-1, -1), colors.lightgrey),
        ("GRID", (0, 0), (-1, -1), 2, colors.white),
    ],
    "double lines": [("GRID", (0, 0), (-1, -1), 0.4, colors.black, "butt", None, "miter", 2, 1.5)],
    "dashed lines": [("GRID", (0, 0), (-1, -1), 0.5, colors.black, "butt", (2, 2))],
    "nothing": [],
}


def set_table(canvas: Canvas, rows: list[list[Any]], commands: list[tuple[Any, ...]], *, top: float = 700) -> None:
    table = Table(rows)
    numbers = [("ALIGN", (2, 0), (-1, -1), "RIGHT"), ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 10)]
    table.setStyle(TableStyle([*numbers, *commands]))
    _, height = table.wrapOn(canvas, 500, 700)
    table.drawOn(canvas, 60, top - height)


def found(draw: Callable[[Canvas], None], *, rotation: int = 0) -> list[PageTable]:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    draw(canvas)
    canvas.save()
    document = pypdfium2.PdfDocument(buffer.getvalue())
    page = document[0]
    if rotation:
        page.set_rotation(rotation)
    tables = find_tables(page)
    page.close()
    document.close()
    return tables


def texts(table: PageTable) -> list[list[str]]:
    return [list(row) for row in table.rows]


@pytest.mark.parametrize("style", STYLES)
def test_a_table_is_found_whatever_its_lines(style: str) -> None:
    [table] = found(lambda canvas: set_table(canvas, ROWS, STYLES[style]))
    assert texts(table) == ROWS
    assert table.header_rows == 1
    assert table.ruled == (style != "nothing")
    assert column_names(table) == ROWS[0]


def test_a_table_crosses_to_another_process() -> None:
    [table] = found(lambda canvas: set_table(canvas, ROWS, GRID))
    assert pickle.loads(pickle.dumps(table)) == table


def test_the_box_is_where_the_table_is_displayed() -> None:
    [table] = found(lambda canvas: set_table(canvas, ROWS, GRID))
    height = 18 * len(ROWS)
    assert table.box.top == pytest.approx(A4[1] - 700, abs=1)
    assert table.box.bottom == pytest.approx(A4[1] - 700 + height, abs=1)
    assert table.box.left >= 60


@pytest.mark.parametrize(("rotation", "turn", "shift"), [(90, 90, (0, -A4[0])), (270, -90, (-A4[1], 0))])
def test_a_page_turned_for_display_reads_like_any_other(rotation: int, turn: int, shift: tuple[float, float]) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.rotate(turn)
        canvas.translate(*shift)
        set_table(canvas, ROWS, GRID, top=500)

    [table] = found(draw, rotation=rotation)
    assert texts(table) == ROWS
    assert table.box.width > table.box.height


def test_lines_inside_a_form_object_count() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.beginForm("sheet")
        set_table(canvas, ROWS, GRID)
        canvas.endForm()
        canvas.doForm("sheet")

    [table] = found(draw)
    assert texts(table) == ROWS


HEADINGS = [
    ["Line", "2024", "", "2025", ""],
    ["", "Boardings", "Fares", "Boardings", "Fares"],
    ["Harbour", "176", "3,045", "181", "3,121"],
    ["Hill", "62", "1,073", "60", "1,050"],
    ["Castle", "39", "752", "41", "780"],
]
SPANS = [("SPAN", (1, 0), (2, 0)), ("SPAN", (3, 0), (4, 0)), ("ALIGN", (1, 0), (-1, 0), "CENTER")]
UNDERLINED = [("LINEBELOW", (first, 0), (first + 1, 0), 0.5, colors.black) for first in (1, 3)]
TWO_LEVELS = [
    ("LINEABOVE", (0, 0), (-1, 0), 1, colors.black),
    ("LINEBELOW", (0, 1), (-1, 1), 0.5, colors.black),
    ("LINEBELOW", (0, -1), (-1, -1), 1, colors.black),
]


@pytest.mark.parametrize("lines", [[*GRID, ("SPAN", (0, 0), (0, 1))], [*TWO_LEVELS, *UNDERLINED]])
def test_headings_over_several_columns_name_each_of_them(lines: list[tuple[Any, ...]]) -> None:
    [table] = found(lambda canvas: set_table(canvas, HEADINGS, [*SPANS, *lines]))
    assert table.header_rows == 2
    assert column_names(table) == [
        "Line",
        "2024 / Boardings",
        "2024 / Fares",
        "2025 / Boardings",
        "2025 / Fares",
    ]
    assert texts(table)[2:] == HEADINGS[2:]


def test_a_label_merged_over_rows_is_repeated_in_each() -> None:
    rows = [
        ["Island", "Species", "Count"],
        ["Biscoe", "Adelie", "44"],
        ["", "Gentoo", "119"],
        ["Dream", "Adelie", "55"],
    ]
    [table] = found(lambda canvas: set_table(canvas, rows, [*GRID, ("SPAN", (0, 1), (0, 2))]))
    assert [row[0] for row in texts(table)] == ["Island", "Biscoe", "Biscoe", "Dream"]


def test_a_value_merged_over_columns_is_not_repeated() -> None:
    rows = [["Day", "In", "Out"], ["Monday", "4", "5"], ["Tuesday", "9", ""], ["Friday", "3", "2"]]
    [table] = found(lambda canvas: set_table(canvas, rows, [*GRID, ("SPAN", (1, 2), (2, 2))]))
    assert texts(table) == rows


@pytest.mark.parametrize("lines", [GRID, BOOKTABS])
def test_lines_of_a_wrapped_cell_are_one_text(lines: list[tuple[Any, ...]]) -> None:
    long = "The line ahead is closed until the lamp has changed"
    style = ParagraphStyle("cell", fontSize=10, leading=12)
    rows = [["Signal", "Meaning", "Code"], ["Red", long, "11"], ["Blue", "Coast", "35"], ["White", "Walk", "31"]]

    def draw(canvas: Canvas) -> None:
        cells: list[list[Any]] = [[row[0], Paragraph(row[1], style), row[2]] for row in rows[1:]]
        table = Table([rows[0], *cells], colWidths=(60, 110, 50))
        table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *lines]))
        table.wrapOn(canvas, 500, 700)
        table.drawOn(canvas, 60, 500)

    [table] = found(draw)
    assert texts(table) == rows


def test_empty_cells_stay_empty() -> None:
    rows = [["A", "B", "C"], ["1", "", "3"], ["", "5", "6"], ["7", "8", ""]]
    [table] = found(lambda canvas: set_table(canvas, rows, GRID))
    assert texts(table) == rows


def test_two_tables_come_from_top_to_bottom_with_their_captions() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(60, 708, "Table 1: Rides by stop")
        set_table(canvas, ROWS, BOOKTABS, top=700)
        canvas.drawString(60, 508, "Table 2: The same again")
        set_table(canvas, ROWS[:4], BOOKTABS, top=500)

    first, second = found(draw)
    assert (first.caption, second.caption) == ("Table 1: Rides by stop", "Table 2: The same again")
    assert (texts(first), texts(second)) == (ROWS, ROWS[:4])


PROSE = (
    "The figures below are those the office keeps and they were counted by hand on every day of the season so that "
    "what was counted twice could be struck out before the books were closed and sent to the harbour"
)


def prose(canvas: Canvas, left: float, width: float, lines: int) -> None:
    words = (PROSE + " ").split() * 40
    place = 0
    for line in range(lines):
        text = ""
        while canvas.stringWidth(f"{text} {words[place]}", "Times-Roman", 10) < width:
            text, place = f"{text} {words[place]}".strip(), place + 1
        written = canvas.beginText(left, 750 - 12 * line)
        written.setFont("Times-Roman", 10)
        gaps = max(text.count(" "), 1)
        written.setWordSpace((width - canvas.stringWidth(text, "Times-Roman", 10)) / gaps)
        written.textLine(text)
        canvas.drawText(written)


def article(canvas: Canvas) -> None:
    canvas.line(50, 765, 540, 765)
    prose(canvas, 50, 235, 50)
    prose(canvas, 305, 235, 50)
    canvas.line(50, 140, 540, 140)


def contents(canvas: Canvas) -> None:
    for line in range(20):
        title = f"{line + 1}.  Chapter of the book number {line + 1} "
        canvas.drawString(60, 700 - 14 * line, title + "." * (80 - len(title)))
        canvas.drawRightString(520, 700 - 14 * line, str(3 * line + 1))


def numbered(canvas: Canvas) -> None:
    for line in range(12):
        canvas.drawString(60, 700 - 14 * line, f"{line + 1}.")
        canvas.drawString(90, 700 - 14 * line, PROSE[line : line + 60])


def listing(canvas: Canvas) -> None:
    canvas.setFillColor(colors.lightgrey)
    canvas.rect(50, 560, 500, 160, stroke=0, fill=1)
    canvas.setFillColor(colors.black)
    canvas.setFont("Courier", 9)
    for line in range(12):
        canvas.drawString(60, 700 - 12 * line, f"total_{line}   =  {line}     # the number {line}")


def addresses(canvas: Canvas) -> None:
    for place, line in enumerate(["Name: A. Keeper", "Street: Quay 4", "Town: Harbour", "Telephone: 0123 456"]):
        label, value = line.split(" ", 1)
        canvas.drawString(60, 700 - 14 * place, label)
        canvas.drawString(160, 700 - 14 * place, value)


def bars(canvas: Canvas) -> None:
    for place in range(8):
        canvas.line(80, 500 + 20 * place, 400, 500 + 20 * place)
        canvas.line(80 + 40 * place, 500, 80 + 40 * place, 640)
        canvas.drawRightString(70, 497 + 20 * place, str(10 * place))
        canvas.drawCentredString(80 + 40 * place, 485, str(2018 + place))
        canvas.setFillColor(colors.red)
        canvas.rect(90 + 40 * place, 500, 20, 15 * place, stroke=0, fill=1)
        canvas.setFillColor(colors.black)


@pytest.mark.parametrize("draw", [article, contents, numbered, listing, addresses, bars])
def test_what_only_looks_like_a_table_is_none(draw: Callable[[Canvas], None]) -> None:
    assert found(draw) == []


def test_a_table_beside_prose_is_found_alone() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 60, 400, 4)
        set_table(canvas, ROWS, [], top=680)

    [table] = found(draw)
    assert texts(table) == ROWS


@pytest.mark.slow
def test_a_page_with_too_many_lines_gives_no_table_and_no_error() -> None:
    def draw(canvas: Canvas) -> None:
        for place in range(21_000):
            canvas.line(50, 50 + place * 0.03, 500, 50 + place * 0.03)
        canvas.drawString(60, 700, "One 1")

    assert found(draw) == []


def test_a_page_without_text_gives_no_table() -> None:
    assert found(lambda canvas: canvas.rect(50, 50, 100, 100)) == []


def made(rows: list[list[str]], *, top: float, bottom: float, header_rows: int = 1, caption: str = "") -> PageTable:
    return PageTable(Box(60, top, 400, bottom), tuple(map(tuple, rows)), header_rows, True, caption)


def goes_on(earlier: PageTable, later: PageTable) -> bool:
    return continues(earlier, later, earlier_height=800, later_height=800)


def test_a_table_goes_on_under_the_same_header_and_the_header_counts_once() -> None:
    first = made(ROWS[:4], top=300, bottom=760)
    second = made([ROWS[0], *ROWS[4:]], top=50, bottom=120)
    assert goes_on(first, second)
    assert texts(joined([first, second])) == ROWS
    assert joined([first, second]).header_rows == 1


def test_a_table_goes_on_without_a_header() -> None:
    first = made(ROWS[:4], top=300, bottom=760)
    second = made(ROWS[4:], top=50, bottom=120, header_rows=0)
    assert goes_on(first, second)
    assert texts(joined([first, second])) == ROWS


@pytest.mark.parametrize(
    "later",
    [
        made([["Stop", "Line", "Zone", "Opened"], ["Hill", "Red", "2", "1912"]], top=50, bottom=120),
        made(ROWS[4:], top=400, bottom=500, header_rows=0),
        made([row[:3] for row in ROWS[4:]], top=50, bottom=120, header_rows=0),
        made(ROWS[4:], top=50, bottom=120, header_rows=0, caption="Table 9: Another"),
    ],
)
def test_another_table_does_not_go_on(later: PageTable) -> None:
    assert not goes_on(made(ROWS[:4], top=300, bottom=760), later)


def test_columns_without_a_name_get_one_and_names_differ() -> None:
    table = made([["", "Sum", "sum", "Sum"], ["a", "1", "2", "3"]], top=0, bottom=50)
    assert column_names(table) == ["column_1", "Sum", "sum_2", "Sum_3"]
    assert column_names(made([["1", "2"]], top=0, bottom=50, header_rows=0)) == ["column_1", "column_2"]
