"""The viewer shows documents of the real server: the page as it looks, its text, and the cited place in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.app_host import browser_for_tests, show_call, shown
from tests.support.document_files import MINCHO, drawn, page_of, write, write_table
from tests.support.serving import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client
    from reportlab.pdfgen.canvas import Canvas

    from tests.support.app_host import App
    from tests.support.browser import Browser

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

_LINES = [f"Line {number} of the handbook says little." for number in range(40)]
_MARKDOWN = '# One\n\n𠮷野家の牛丼 & <img src=x onerror="window.hacked=1"> 😀 end.\n\n# Two\n\nSecond section.\n'


def _fares(canvas: Canvas) -> None:
    write(canvas, "Fares of the tram")
    write_table(canvas, [["Ticket", "Yen"], ["Single", "210"], ["Day pass", "650"]], top=160)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    first = page_of("The lost property office opens at nine.", "Things found are kept for 30 days.")
    (folder / "handbook.pdf").write_bytes(drawn(first, page_of(*_LINES, "The lost umbrella."), _fares))
    (folder / "案内.pdf").write_bytes(
        drawn(page_of("運賃は大人210円です。", "忘れ物は30日間保管します。", font=MINCHO))
    )
    (folder / "notes.md").write_text(_MARKDOWN, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
async def client(folder: Path, cache: Path) -> AsyncIterator[Client]:
    async with connect(folder, cache=cache) as connected:
        yield connected


@pytest.fixture(scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with browser_for_tests(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


async def read(client: Client, document: str, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return await show_call(client, "read_document", document=document, **given)


_DRAWN = "document.querySelector('.sheet:not([hidden]) img')?.naturalWidth && !document.querySelector('[aria-busy]')"
_BODY = "document.querySelector('.page-text .body').textContent"


async def marks(app: App) -> list[list[float]]:
    """Return the places marked on the picture: left, top, right, bottom in shares of the page."""
    sheet = "document.querySelector('.sheet').getBoundingClientRect()"
    share = "((mark, sheet) => [(mark.left - sheet.left) / sheet.width, (mark.top - sheet.top) / sheet.height,"
    share += " (mark.right - sheet.left) / sheet.width, (mark.bottom - sheet.top) / sheet.height])"
    found: list[list[float]] = await app.read(
        f"[...document.querySelectorAll('.mark-box')].map((mark) => {share}(mark.getBoundingClientRect(), {sheet}))"
    )
    return found


@pytest.mark.slow
async def test_a_cited_passage_is_marked_on_its_page_and_in_its_text(browser: Browser, client: Client) -> None:
    result, given = await read(client, "document://handbook.pdf/page/1#chars=4-17")
    async with shown(browser, client, result, given) as app:
        await app.until(_DRAWN)
        assert await app.read("document.querySelector('.page-text mark').textContent") == "lost property"
        assert (await app.read(_BODY)).startswith("The lost property office opens at nine.")
        (mark,) = await marks(app)
        left, top, right, bottom = mark
        assert 72 / 595 < left < right < 0.4
        assert 100 / 842 < top < 120 / 842 < bottom < 130 / 842
        assert sorted(call["arguments"].get("view") for call in app.calls) == ["image", "text"]
        assert await app.read("document.querySelector('.sheet img').src.startsWith('data:image/png;base64,')")
        assert await app.read("document.querySelector('.sheet img').alt") == "Page 1 of handbook.pdf as a picture"
        # The server drew the mark as well: what was white there is yellow.
        pixel = (
            "(async () => { const image = document.querySelector('.sheet img'); await image.decode();"
            " const canvas = document.createElement('canvas'); canvas.width = image.naturalWidth;"
            " canvas.height = image.naturalHeight; const area = canvas.getContext('2d'); area.drawImage(image, 0, 0);"
            f" const x = {left} * canvas.width, y = {top} * canvas.height;"
            " return [...area.getImageData(x + 2, y + 2, 1, 1).data]; })()"
        )
        red, green, blue, _ = await app.read(pixel)
        assert red > 200
        assert green > 200
        assert blue < 120


@pytest.mark.slow
async def test_pages_are_turned_through_the_server(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await read(client, "handbook.pdf", pages="1")) as app:
        await app.until(_DRAWN)
        assert await app.read("[...document.querySelectorAll('.toolbar button')].map((one) => one.disabled)[0]")
        await app.click_text("Next page")
        await app.until(f"{_BODY}.includes('Line 39') && {_DRAWN}")
        arguments = [call["arguments"] for call in app.calls[-2:]]
        assert {(one["pages"], one["view"]) for one in arguments} == {("2", "text"), ("2", "image")}
        assert await app.read("document.querySelector('.sheet img').alt") == "Page 2 of handbook.pdf as a picture"
        await app.write("input[type=number]", "3")
        await app.press("Enter")
        await app.until(f"{_BODY}.includes('Fares of the tram') && {_DRAWN}")
        count = len(app.calls)
        await app.click_text("Previous page")
        await app.until(f"{_BODY}.includes('Line 39') && {_DRAWN}")
        assert len(app.calls) == count  # what was read once is shown at once
        await app.write("input[type=number]", "99")
        await app.press("Enter")
        await app.until("document.querySelector('input[type=number]').value === '3'")


async def test_places_found_are_shown_one_by_one(browser: Browser, client: Client) -> None:
    result, given = await read(client, "handbook.pdf", find="lost", view="find")
    async with shown(browser, client, result, given) as app:
        await app.until(_DRAWN)
        assert await app.read("document.querySelectorAll('.places li').length") == 2
        assert await app.read("document.querySelector('.places [aria-current] mark').textContent") == "lost"
        (first,) = await marks(app)
        await app.click(".places button", 1)
        await app.until(f"{_BODY}.includes('umbrella') && {_DRAWN}")
        (second,) = await marks(app)
        assert second[1] > first[1] + 0.3
        assert await app.read("document.querySelector('.page-text mark').textContent") == "lost"
        pane, mark = (f"document.querySelector('{name}').getBoundingClientRect()" for name in (".pane", ".mark-box"))
        assert await app.read(f"{mark}.top > {pane}.top && {mark}.bottom < {pane}.bottom")


async def test_zooming_in_asks_for_more_dots(browser: Browser, client: Client) -> None:
    result, given = await read(client, "handbook.pdf", pages="1", view="image")
    async with shown(browser, client, result, given) as app:
        await app.until(_DRAWN)
        width = await app.read("document.querySelector('.sheet').clientWidth")
        dots = await app.read("document.querySelector('.sheet img').naturalWidth")
        for _ in range(5):
            await app.click_text("Zoom in")
        assert await app.read("document.querySelector('.share').textContent") == "300%"
        assert await app.read("document.querySelector('.sheet').clientWidth") > 2.9 * width
        await app.until(f"document.querySelector('.sheet img').naturalWidth > {dots}")
        await app.click("[title='Fit the width']")
        assert await app.read("document.querySelector('.sheet').clientWidth") == width


async def test_japanese_documents_are_marked_and_the_words_are_japanese(browser: Browser, client: Client) -> None:
    result, given = await read(client, "案内.pdf", find="忘れ物", view="find")
    async with shown(browser, client, result, given, locale="ja-JP", width=320, theme="dark") as app:
        await app.until(_DRAWN)
        assert await app.read("document.querySelector('.page-text mark').textContent") == "忘れ物"
        assert len(await marks(app)) == 1
        assert await app.read("document.querySelector('.page-text h3').textContent") == "1 ページの本文"
        assert await app.read("document.documentElement.scrollWidth") <= 320


async def test_characters_are_counted_as_the_server_does(browser: Browser, client: Client) -> None:
    found, _ = await read(client, "notes.md", find="牛丼", view="find")
    (place,) = found["structuredContent"]["matches"]
    result, given = await read(client, place["uri"])
    async with shown(browser, client, result, given) as app:
        await app.until("document.querySelector('.page-text mark') && !document.querySelector('[aria-busy]')")
        assert await app.read("document.querySelector('.page-text mark').textContent") == "牛丼"
        assert '<img src=x onerror="window.hacked=1">' in await app.read(_BODY)
        assert await app.read("window.hacked === undefined && !document.querySelector('.page-text img')")
        assert await app.read("document.querySelector('.picture').offsetParent === null")  # sections have no picture
        assert [call["arguments"]["view"] for call in app.calls] == ["text"]


async def test_what_is_selected_is_cited_by_its_characters(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await read(client, "notes.md", pages="1")) as app:
        await app.until(f"{_BODY}.includes('😀')")
        await app.read(
            "(() => { const node = document.querySelector('.page-text .body').firstChild;"
            " const at = node.data.indexOf('😀'); getSelection().setBaseAndExtent(node, at, node, at + 6); })()"
        )
        await app.read("document.addEventListener('copy', ({ target }) => { window.copied = target.value; })")
        await app.click_text("Copy citation")
        await app.until("window.copied")
        uri = await app.read("window.copied")
    place = (await client.call_tool("read_document", {"document": uri})).structured_content
    assert place is not None
    assert place["matches"][0]["text"] == "😀 end"


async def test_the_page_itself_is_cited_where_nothing_is_selected(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await read(client, "handbook.pdf", pages="2")) as app:
        await app.until(_DRAWN)
        await app.read("document.addEventListener('copy', ({ target }) => { window.copied = target.value; })")
        await app.click_text("Copy citation")
        await app.until("window.copied === 'document://handbook.pdf/page/2'")


async def test_tables_are_shown_with_their_place_on_the_page(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await read(client, "handbook.pdf", view="tables")) as app:
        await app.until(_DRAWN)
        cells = "[...document.querySelectorAll('tbody tr:not(.gap)')].map((row) => row.children[2].textContent)"
        assert await app.read(cells) == ["210", "650"]
        assert await app.read("document.querySelector('tbody td.number').textContent") == "210"
        ((_, top, _, bottom),) = await marks(app)
        assert 0.15 < top < bottom < 0.35


async def test_an_outline_leads_to_its_pages(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await read(client, "notes.md", view="outline")) as app:
        await app.click(".places button", 1)
        await app.until(f"{_BODY}.includes('Second section.')")


@pytest.mark.slow
async def test_where_pictures_are_refused_the_text_stands_alone(browser: Browser, folder: Path, cache: Path) -> None:
    async with connect(folder, cache=cache, redaction={"enabled": True}) as client:
        result, given = await read(client, "handbook.pdf", pages="1")
        async with shown(browser, client, result, given) as app:
            await app.until("document.querySelector('.notes')?.textContent.includes('as a picture:')")
            assert await app.read("document.querySelector('.picture').offsetParent === null")
            assert "lost property" in await app.read(_BODY)
            await app.click_text("Next page")
            await app.until(f"{_BODY}.includes('Line 39')")
            assert [call["arguments"]["view"] for call in app.calls] == ["image", "text"]


async def test_a_host_that_passes_no_calls_on_shows_what_it_has(browser: Browser, client: Client) -> None:
    result, given = await read(client, "handbook.pdf", pages="1-2")
    async with shown(browser, client, result, given, capabilities={"openLinks": {}}) as app:
        await app.until(f"{_BODY}.includes('lost property')")
        await app.click_text("Next page")
        await app.until(f"{_BODY}.includes('Line 39')")
        await app.click_text("Next page")
        assert "Line 39" in await app.read(_BODY)
        assert app.calls == []


async def test_places_found_are_looked_for_again_in_a_changed_document(
    browser: Browser, client: Client, folder: Path
) -> None:
    fees = folder / "fees.md"
    fees.write_text("# One\n\nThe fee is 100 yen.\n\n# Two\n\nOther words.\n")
    async with shown(browser, client, *await read(client, "fees.md", find="fee is", view="find")) as app:
        await app.until("document.querySelector('.page-text mark')")
        fees.write_text("# One\n\nA sentence in front. The fee is 250 yen.\n\n# Two\n\nThe fee is waived.\n")
        await app.click_text("Read again")
        await app.until("document.querySelectorAll('.places li').length === 2")
        await app.until(f"{_BODY}.includes('A sentence in front')")
        assert await app.read("document.querySelector('.page-text mark').textContent") == "fee is"
        assert await app.read("document.activeElement.textContent") == "Read again"
        fees.write_text("# One\n\nIt is free.\n")
        await app.click_text("Read again")
        await app.until("document.querySelector('.list').textContent === 'Nothing was found.'")


async def test_a_changed_document_is_read_again(browser: Browser, client: Client, folder: Path) -> None:
    changing = folder / "changing.txt"
    changing.write_text("The old words.")
    async with shown(browser, client, *await read(client, "changing.txt")) as app:
        await app.until(f"{_BODY}.includes('old')")
        changing.write_text("The newer words, which are more.")
        await app.click_text("Read again")
        await app.until(f"{_BODY}.includes('newer')")
        changing.unlink()
        await app.click_text("Read again")
        await app.until("document.querySelector('.problem')?.textContent.includes('changing.txt')")


async def test_a_page_goes_on_where_it_was_cut(browser: Browser, client: Client) -> None:
    whole, _ = await read(client, "handbook.pdf", pages="2")
    (page,) = whole["structuredContent"]["pages"]
    result, given = await read(client, "handbook.pdf", pages="2", max_chars=200)
    async with shown(browser, client, result, given) as app:
        await app.until(f"{_BODY}.includes('Line 1 ') && !{_BODY}.includes('Line 39')")
        await app.click_text("Rest of the page")
        await app.until(f"{_BODY}.includes('Line 39')")
        assert await app.read(_BODY) == page["text"]
        assert not await app.read(
            "[...document.querySelectorAll('button')].some((one) => one.textContent.startsWith('Rest'))"
        )
