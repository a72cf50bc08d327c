"""The viewer shows rows of the real server in a real browser: a table to sort, filter, copy and continue."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.app_host import browser_for_tests, show_call, shown
from tests.support.serving import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client

    from tests.support.app_host import App
    from tests.support.browser import Browser

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

_HOSTILE = [
    '<img src=x onerror="window.hacked = 1">',
    "</td></table><script>window.hacked = 2</script>",
    "<svg onload=window.hacked=3>",
    "javascript:window.hacked=4",
    "\u202egnp.exe",
    "{count} $& ${window.hacked = 5}",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    rows = [
        f"{number},2025-{1 + number % 12:02}-15,{'ABC'[number % 3]},{(number * 37) % 1000 / 4}" for number in range(600)
    ]
    (folder / "sales.csv").write_text("number,day,shop,amount\n" + "\n".join(rows) + "\n")
    (folder / "mixed.csv").write_text(
        'name,big,note\nｶﾌｪ,9007199254740993,\nカフェ,9007199254740992,plain\nTea,12,"a, ""b"""\nRice,,x\n',
        encoding="utf-8",
    )
    with (folder / "hostile.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "<b onclick=x>name</b>"])
        writer.writerows([text, text] for text in _HOSTILE)
    return folder


@pytest.fixture(scope="module")
async def client(folder: Path, cache: Path) -> AsyncIterator[Client]:
    async with connect(folder, cache=cache) as connected:
        yield connected


@pytest.fixture(scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with browser_for_tests(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


async def query(client: Client, sql: str, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return await show_call(client, "query_tables", sql=sql, **given)


async def cells(app: App, column: int) -> list[str]:
    """Return what the rows in sight hold in a column, from 1; 0 is the row's number."""
    found: list[str] = await app.read(
        f"[...document.querySelectorAll('tbody tr:not(.gap)')].map((row) => row.children[{column}].textContent)"
    )
    return found


async def status(app: App) -> str:
    told: str = await app.read("document.querySelector('.status').textContent")
    return told


_READY = "document.querySelector('tbody tr:not(.gap)')"


@pytest.mark.slow
async def test_rows_are_shown_with_their_types_and_their_source(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM mixed")) as app:
        await app.until(_READY)
        assert await cells(app, 1) == ["ｶﾌｪ", "カフェ", "Tea", "Rice"]
        assert await cells(app, 2) == ["9007199254740993", "9007199254740992", "12", "null"]
        align = "getComputedStyle(document.querySelectorAll('tbody tr:not(.gap) td')[{}]).textAlign"
        assert await app.read(align.format(1)) == "start"
        assert await app.read(align.format(2)) == "end"
        assert await app.read("document.querySelectorAll('.null').length") == 2
        heights = "[...document.querySelectorAll('tbody tr:not(.gap)')].map((row) => row.offsetHeight)"
        assert await app.read(heights) == [30, 30, 30, 30]  # which row is in sight is counted by it
        assert await status(app) == "4 rows"
        source = await app.read("document.querySelector('.provenance').textContent")
        assert source.startswith("Source: mixed (mixed.csv, modified ")
        assert "read " in source
        assert await app.read("document.querySelector('.statement pre').textContent") == "FROM mixed"
        assert await app.heard("ui/notifications/size-changed")


async def test_a_heading_sorts_exactly_and_nulls_stay_last(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM mixed")) as app:
        await app.click("th button", 1)
        assert await cells(app, 2) == ["12", "9007199254740992", "9007199254740993", "null"]
        assert await app.read("document.querySelectorAll('th')[2].ariaSort") == "ascending"
        await app.click("th button", 1)
        assert await cells(app, 2) == ["9007199254740993", "9007199254740992", "12", "null"]
        await app.click("th button", 1)
        assert await cells(app, 0) == ["1", "2", "3", "4"]
        assert await app.read("document.querySelectorAll('th')[2].ariaSort") == "none"


@pytest.mark.slow
async def test_the_filter_finds_words_in_any_column_whatever_their_width(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM mixed")) as app:
        await app.write("input[type=search]", "ｶﾌｪ")
        await app.until("document.querySelector('.status').textContent === '2 of 4 rows match'")
        assert await cells(app, 1) == ["ｶﾌｪ", "カフェ"]
        await app.write("input[type=search]", "PLAIN カフェ")
        await app.until("document.querySelector('.status').textContent === '1 of 4 rows match'")
        await app.write("input[type=search]", "nothing like it")
        await app.until("document.querySelector('.status').textContent === '0 of 4 rows match'")


@pytest.mark.slow
async def test_one_column_can_be_compared(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM mixed")) as app:
        await app.until(_READY)
        await app.choose("Look in", "big")
        await app.write("input[type=search]", "> 9007199254740991")
        await app.until("document.querySelector('.status').textContent === '2 of 4 rows match'")
        await app.write("input[type=search]", "= null")
        await app.until("document.querySelector('.status').textContent === '1 of 4 rows match'")
        assert await cells(app, 1) == ["Rice"]
        await app.choose("Look in", "name")
        await app.write("input[type=search]", "= tea")
        await app.until(f"{_READY}.textContent.includes('Tea')")
        assert await cells(app, 1) == ["Tea"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "wanted", "found"),
    [
        ("amount", "> 1,000", ["1500", "2000"]),
        ("amount", "<= ¥1 500", ["500", "1500"]),
        ("amount", "> many", []),
        ("moment", "<= 2025-08-01", ["500", "1500"]),
        ("moment", "> 2025-08-01", ["2000"]),
        ("moment", ">= 2025/8/1 10:00", ["1500", "2000"]),
        ("moment", "< 2025-08", []),
        ("moment", "< August", []),
    ],
)
async def test_numbers_and_times_are_compared_as_people_write_them(
    browser: Browser, client: Client, column: str, wanted: str, found: list[str]
) -> None:
    rows = "(500, '2025-08-01'), (1500, '2025-08-01 10:00:00.5'), (2000, '2025-09-02')"
    sql = f"SELECT amount, moment::TIMESTAMP AS moment FROM (VALUES {rows}) AS t(amount, moment)"
    async with shown(browser, client, *await query(client, sql)) as app:
        await app.until(_READY)
        await app.choose("Look in", column)
        await app.write("input[type=search]", wanted)
        await app.until(f"document.querySelector('.status').textContent === '{len(found)} of 3 rows match'")
        assert await cells(app, 1) == found


@pytest.mark.slow
async def test_more_rows_come_from_the_server_and_only_those_in_sight_are_drawn(
    browser: Browser, client: Client
) -> None:
    async with shown(browser, client, *await query(client, "FROM sales ORDER BY number", max_rows=250)) as app:
        await app.until(_READY)
        assert await status(app) == "250 rows · There are more rows."
        await app.click(".more")
        await app.until("document.querySelector('.status').textContent.startsWith('500 rows')")
        await app.click(".more")
        await app.until("document.querySelector('.status').textContent === '600 rows'")
        assert not await app.read("document.querySelector('.more').offsetParent")
        assert [call["name"] for call in app.calls] == ["query_tables", "query_tables"]
        assert all(call["arguments"]["sql"] == "FROM sales ORDER BY number" for call in app.calls)
        assert await app.read("document.querySelectorAll('tbody tr').length") < 60
        await app.read("document.querySelector('.scroller').scrollTo(0, 1e9)")
        await app.until("document.querySelector('tbody').textContent.includes('599')")
        assert (await cells(app, 1))[-1] == "599"
        assert await app.read("document.querySelector('table').ariaRowCount") == "601"
        height = await app.read("document.querySelector('tbody tr:not(.gap)').offsetHeight")
        assert await app.read("document.querySelector('tbody').offsetHeight") == 600 * height


async def test_a_handful_that_was_asked_for_goes_on_with_as_many_as_an_answer_holds(
    browser: Browser, client: Client
) -> None:
    async with shown(browser, client, *await query(client, "FROM sales", max_rows=5)) as app:
        await app.click(".more")
        await app.until("document.querySelector('.status').textContent.startsWith('105 rows')")


async def test_copied_rows_are_those_shown_in_their_order(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM mixed")) as app:
        await app.click("th button", 1)
        await app.read("document.addEventListener('copy', ({ target }) => { window.copied = target.value; })")
        await app.click_text("Copy CSV")
        await app.until("document.querySelector('[role=status]').textContent === 'Copied.'")
        text = await app.read("window.copied")
        assert list(csv.reader(io.StringIO(text))) == [
            ["name", "big", "note"],
            ["Tea", "12", 'a, "b"'],
            ["カフェ", "9007199254740992", "plain"],
            ["ｶﾌｪ", "9007199254740993", ""],
            ["Rice", "", "x"],
        ]


async def test_a_host_that_saves_files_gets_the_rows_as_csv(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "SELECT name FROM mixed LIMIT 1")) as app:
        await app.click_text("Save CSV")
        (saved,) = await app.heard("ui/download-file")
        resource = saved["contents"][0]["resource"]
        assert (resource["mimeType"], resource["text"]) == ("text/csv", "name\r\nｶﾌｪ\r\n")


async def test_a_host_that_offers_nothing_shows_no_buttons_for_it(browser: Browser, client: Client) -> None:
    result, given = await query(client, "FROM sales", max_rows=5)
    async with shown(browser, client, result, given, capabilities={"logging": {}}) as app:
        await app.until(_READY)
        assert await status(app) == "5 rows · There are more rows: ask for them in the conversation."
        buttons = "[...document.querySelectorAll('button')].filter((button) => button.offsetParent)"
        labels = await app.read(f"{buttons}.map((button) => button.textContent)")
        assert not {"More rows", "Save CSV", "Read again", "Larger"} & set(labels)
        assert "Copy CSV" in labels


async def test_read_again_shows_the_file_as_it_is_now_and_a_stale_cursor_is_told(
    browser: Browser, client: Client, folder: Path
) -> None:
    changing = folder / "changing.csv"
    changing.write_text("word\n" + "old\n" * 20)
    async with shown(browser, client, *await query(client, "FROM changing", max_rows=10)) as app:
        await app.until(_READY)
        changing.write_text("word\n" + "newer\n" * 30)
        os.utime(changing, ns=(1, 10**18))
        await app.click(".more")
        await app.until("document.querySelector('.problem')")
        assert set(await cells(app, 1)) == {"old"}
        await app.click_text("Read again")
        await app.until(f"{_READY}.textContent.includes('newer')")
        assert set(await cells(app, 1)) == {"newer"}
        assert not await app.read("document.querySelector('.problem')")
        await app.host("host.tell('ui/notifications/host-context-changed', { displayMode: 'fullscreen' })")
        await app.until("document.documentElement.classList.contains('fill')")
        assert set(await cells(app, 1)) == {"newer"}


async def test_what_cells_hold_is_never_read_as_markup(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM hostile")) as app:
        await app.until(_READY)
        assert await cells(app, 1) == _HOSTILE
        await app.click("tbody tr:not(.gap)")
        assert await app.read("document.querySelector('.detail dd').textContent") == _HOSTILE[0]
        assert (
            await app.read("document.querySelector('.detail dt:last-of-type').textContent") == "<b onclick=x>name</b>"
        )
        await app.click_text("Chart")
        await app.click_text("Table")
        made = "document.querySelectorAll('main img, main script, main svg, main b:not(.provenance b)').length"
        assert await app.read(made) == 0
        assert await app.read("window.hacked === undefined")


async def test_even_markup_put_into_the_page_by_force_runs_no_script(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM mixed")) as app:
        await app.until(_READY)
        await app.read("document.querySelector('main').innerHTML = '<img src=x onerror=\"window.hacked = 1\">'")
        await app.until("document.querySelector('img').complete")
        assert await app.read("window.hacked === undefined")
        assert any("Content Security Policy" in complaint for complaint in app.complaints)
        app.complaints.clear()


async def test_the_table_is_worked_by_keys_alone(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM sales ORDER BY number")) as app:
        await app.until(_READY)
        await app.read("window.focus()")
        for _ in range(20):
            await app.press("Tab")
            if await app.read("document.activeElement.matches('table')"):
                break
        assert await app.read("document.activeElement.matches('table')")
        await app.press("ArrowDown", "ArrowDown", "Enter")
        assert await app.read("document.querySelector('.detail h3').textContent") == "Row 2"
        active = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))"
        assert await app.read(f"{active}.ariaSelected") == "true"
        await app.press("End")
        await app.until("document.querySelector('.detail h3').textContent === 'Row 100'")
        assert await app.read(f"{active}.getBoundingClientRect().bottom <= innerHeight")
        await app.press("Escape")
        assert await app.read("document.querySelector('.detail').hidden")


async def test_it_follows_the_host_from_light_to_dark(browser: Browser, client: Client) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    result, given = await query(client, "FROM mixed")
    async with shown(browser, client, result, given, scheme="dark") as app:
        await app.until(_READY)
        assert await app.read(ground) == "rgb(29, 30, 32)"  # the system's choice, where the host makes none
    async with shown(browser, client, result, given, scheme="dark", theme="light") as app:
        await app.until(_READY)
        assert await app.read(ground) == "rgb(255, 255, 255)"
        variables = {
            "--color-background-primary": "rgb(1, 2, 3)",
            "--color-text-primary": "url(https://example.org/x)",
            "--position": "fixed",
        }
        changes = {"theme": "dark", "styles": {"variables": variables}}
        await app.host(f"host.tell('ui/notifications/host-context-changed', {json.dumps(changes)})")
        await app.until(f"{ground} === 'rgb(1, 2, 3)'")
        assert await app.read("getComputedStyle(document.body).color") == "rgb(236, 236, 234)"
        assert await app.read("document.documentElement.style.getPropertyValue('--position')") == ""


async def test_it_speaks_japanese_to_who_does(browser: Browser, client: Client) -> None:
    result, given = await query(client, "FROM sales", max_rows=5)
    async with shown(browser, client, result, given, locale="ja-JP", timeZone="Asia/Tokyo") as app:
        await app.until(_READY)
        assert await status(app) == "5 行 · 続きの行があります。"
        assert await app.read("document.documentElement.lang") == "ja"
        await app.host("host.tell('ui/notifications/host-context-changed', { locale: 'de-DE', timeZone: 'nowhere' })")
        await app.until("document.querySelector('.status').textContent.startsWith('5 rows')")


@pytest.mark.slow
@pytest.mark.parametrize("view", ["Table", "Chart"])
async def test_a_narrow_window_is_enough(browser: Browser, client: Client, view: str) -> None:
    async with shown(browser, client, *await query(client, "FROM sales"), width=320) as app:
        await app.until(_READY)
        await app.click_text(view)
        assert await app.read("document.documentElement.scrollWidth") <= 320
        beyond = "[...document.querySelectorAll('button, select, input')].filter((one) => one.offsetParent"
        beyond += " && !one.closest('.scroller') && one.getBoundingClientRect().right > 311).length"
        assert await app.read(beyond) == 0


async def test_the_host_can_show_it_larger(browser: Browser, client: Client) -> None:
    modes: dict[str, Any] = {"displayMode": "inline", "availableDisplayModes": ["inline", "fullscreen"]}
    async with shown(browser, client, *await query(client, "FROM sales"), height=500, **modes) as app:
        await app.click_text("Larger")
        assert await app.heard("ui/request-display-mode") == [{"mode": "fullscreen"}]
        await app.host("host.tell('ui/notifications/host-context-changed', { displayMode: 'fullscreen' })")
        await app.until("document.documentElement.classList.contains('fill')")
        await app.click_text("Smaller")
        assert await app.heard("ui/request-display-mode", 2) == [{"mode": "fullscreen"}, {"mode": "inline"}]
        assert await app.read("document.documentElement.scrollHeight") == 500


async def test_an_error_is_told_with_its_hint(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "SELECT nowhere FROM sales")) as app:
        await app.until("document.querySelector('.problem')")
        text = await app.read("document.querySelector('.problem').textContent")
        assert "nowhere" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        ({"content": []}, "The answer is empty."),
        ({"content": [{"type": "text", "text": "<b>words</b>"}]}, "<b>words</b>"),
        ({"content": [{"type": "text", "text": "said"}], "structuredContent": {"columns": 3, "rows": "x"}}, "said"),
        (
            {"content": [{"type": "text", "text": "said"}], "structuredContent": {"columns": [None], "rows": [[1]]}},
            "said",
        ),
        (
            {"content": [{"type": "text", "text": "said"}], "structuredContent": {"document": "x", "pages": [None]}},
            "said",
        ),
        ({"isError": True, "content": [{"type": "text", "text": "broken"}]}, "broken"),
        ({"content": None, "structuredContent": None}, "The answer is empty."),
    ],
)
async def test_whatever_else_comes_is_shown_as_text(
    browser: Browser, client: Client, result: dict[str, Any], wanted: str
) -> None:
    async with shown(browser, client, result, {}) as app:
        await app.until(f"document.querySelector('main').textContent.trim() === {json.dumps(wanted)}")


async def test_no_rows_are_told(browser: Browser, client: Client) -> None:
    async with shown(browser, client, *await query(client, "FROM sales WHERE false")) as app:
        await app.until("document.querySelector('.status')")
        assert await status(app) == "No rows."


async def test_it_says_that_it_waits_and_that_a_call_was_cancelled(browser: Browser, client: Client) -> None:
    async with shown(browser, client, None) as app:
        await app.until("document.querySelector('main').textContent === 'Waiting for the answer…'")
        await app.host("host.tell('ui/notifications/tool-cancelled', { reason: 'user' })")
        await app.until("document.querySelector('main').textContent === 'The call was cancelled.'")
        await app.host("host.post({ id: 'end', method: 'ui/resource-teardown', params: {} })")
        await app.host("host.post({ id: 'odd', method: 'sampling/createMessage', params: {} })")
        assert await app.answers(2) == {"end": None, "odd": -32601}
