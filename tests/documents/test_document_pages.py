"""Pages among others: damaged ones, tables that are longer than a page, lines that only look like running heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mcp_context_resources.documents.reading.text_search import Finder
from tests.support.document_files import drawn, write_table
from tests.support.pdf_files import build, page, stream
from tests.support.serving import connect, data_of, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from mcp.client.client import Client


pytestmark = pytest.mark.anyio

ROWS = 40


def three_pages(second: bytes) -> bytes:
    """Write a PDF of three pages, the second of which is `second` instead."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    shown = [stream(b"BT /F1 12 Tf 72 500 Td (words of page %d) Tj ET" % number) for number in (1, 2, 3)]
    return build(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R 6 0 R 8 0 R] /Count 3 >>",
            3: page(4),
            4: shown[0],
            5: font,
            6: second,
            7: shown[1],
            8: page(9),
            9: shown[2],
        }
    )


async def read(client: Client, document: str, **arguments: Any) -> dict[str, Any]:
    return data_of(await client.call_tool("read_document", {"document": document, **arguments}))


@pytest.mark.slow
@pytest.mark.parametrize("view", ["text", "markdown"])
@pytest.mark.parametrize("budget", [30_000, 300_000])
async def test_a_page_that_cannot_be_read_is_named_and_costs_the_others_nothing(
    tmp_path: Path, cache: Path, view: str, budget: int
) -> None:
    (tmp_path / "broken.pdf").write_bytes(three_pages(b"(not a page)"))
    async with connect(tmp_path, cache=cache, budget={"max_chars": budget}) as client:
        data = await read(client, "broken.pdf", view=view)
        shown = {page["number"]: page["text"] for page in data["pages"]}
        assert shown == {1: "words of page 1", 3: "words of page 3"}
        assert [note for note in data["notes"] if note.startswith("Page 2:")]
        alone = await client.call_tool("read_document", {"document": "broken.pdf", "view": view, "pages": "2"})
        assert alone.is_error
        assert "page 3" not in text_of(alone)
        assert "Page 2" in text_of(alone)


async def test_a_damaged_page_hides_neither_matches_nor_tables_of_the_others(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(three_pages(b"(not a page)"))
    async with connect(tmp_path, cache=cache) as client:
        found = await read(client, "broken.pdf", view="find", find="words of")
        assert [match["page"] for match in found["matches"]] == [1, 3]
        assert any(note.startswith("Page 2:") for note in found["notes"])
        tables = await read(client, "broken.pdf", view="tables")
        assert tables["searched_pages"] == "1-3"
        assert any(note.startswith("Page 2:") for note in tables["notes"])


async def test_titles_that_count_up_and_rows_of_numbers_are_no_running_heads(tmp_path: Path, cache: Path) -> None:
    def slide(number: int) -> Any:
        def draw(canvas: Any) -> None:
            canvas.setFont("Helvetica-Bold", 28)
            canvas.drawString(72, 770, f"Step {number}")
            canvas.setFont("Helvetica", 12)
            for place in range(6):
                canvas.drawString(72, 600 - 30 * place, f"What is done in step {number}, part {place}")

        return draw

    (tmp_path / "slides.pdf").write_bytes(drawn(*(slide(number) for number in range(1, 5))))
    async with connect(tmp_path, cache=cache) as client:
        data = await read(client, "slides.pdf")
        assert all(page["text"].startswith(f"Step {page['number']}") for page in data["pages"])
        found = await read(client, "slides.pdf", view="find", find="Step 2")
        [start] = [match["start"] for match in found["matches"] if match["page"] == 2 and match["start"] == 0]
        assert start == 0


@pytest.mark.slow
async def test_a_table_longer_than_sixty_pages_goes_on_as_another_and_loses_no_row(tmp_path: Path, cache: Path) -> None:
    pages = 64

    def sheet(number: int) -> Any:
        def draw(canvas: Any) -> None:
            body = [[f"item {number * ROWS + row}", str(number), str(row * 10)] for row in range(ROWS)]
            write_table(canvas, [["Name", "Sheet", "Amount"], *body], top=40)

        return draw

    (tmp_path / "long.pdf").write_bytes(drawn(*(sheet(number) for number in range(pages))))
    async with connect(tmp_path, cache=cache, budget={"max_chars": 1_000_000}) as client:
        data = await read(client, "long.pdf", view="tables")
        assert sum(table["total_rows"] for table in data["tables"]) == pages * ROWS
        assert [table["name"] for table in data["tables"]] == ["long_p1_t1", "long_p61_t1"]
        assert [table["columns"] for table in data["tables"]] == [["Name", "Sheet", "Amount"]] * 2


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("㈱", "前㈱後", "㈱"),
        ("①", "a①b", "①"),
        ("1", "a①b", "①"),
        ("½", "a ½ b", "½"),
        ("x²", "f x² y", "x²"),
        ("カナ", "半角ｶﾅ", "ｶﾅ"),
        ("ABC", "ＡＢＣ", "ＡＢＣ"),
        ("大人210円", "大人 210\n円", "大人 210\n円"),
    ],
)
def test_an_exact_find_sees_characters_that_are_the_same_to_a_reader(query: str, text: str, found: str) -> None:
    place = Finder(query, regex=False).search(text, 0)
    assert place is not None
    assert text[slice(*place)] == found


async def test_a_document_in_a_folder_called_page_is_read_by_its_own_uri(tmp_path: Path, cache: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "page").mkdir(parents=True)
        (tmp_path / folder / "page" / "3.md").write_text(f"# In {folder}\n\nwords of {folder}\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        listed = data_of(await client.call_tool("list_sources", {"kind": "document"}))["sources"]
        for source in listed:
            data = await read(client, source["uri"])
            assert data["document"] == source["name"]
            assert f"words of {source['name'][0]}" in data["pages"][0]["text"]
