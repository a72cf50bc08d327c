"""The viewer draws rows of the real server: bars, lines and points with their axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.app_host import browser_for_tests, show_call, shown
from tests.support.serving import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from mcp.client.client import Client

    from tests.support.app_host import App
    from tests.support.browser import Browser

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> AsyncIterator[Client]:
    folder = tmp_path_factory.mktemp("charts")
    (folder / "wards.csv").write_text("区,人口\n港区,300\n中区,600\n丘区,150\n海区,\n", encoding="utf-8")
    lines = [
        f"2025-{month:02}-01,{line},{100 * month + 10 * number}"
        for month in (3, 1, 2)
        for number, line in enumerate(("Hill", "Canal"))
    ]
    (folder / "months.csv").write_text("month,line,fares\n" + "\n".join(lines) + "\n")
    (folder / "repeated.csv").write_text("shop,amount\nA,1\nB,10\nA,5\nA,-3\n")
    (folder / "extreme.csv").write_text("a,b\n1e308,9007199254740992\n-1e308,9007199254740991\n0,NaN\n")
    async with connect(folder, cache=cache) as connected:
        yield connected


@pytest.fixture(scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with browser_for_tests(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


async def chart(browser: Browser, client: Client, sql: str, **options: Any) -> AbstractAsyncContextManager[App]:
    result, given = await show_call(client, "query_tables", sql=sql)
    return shown(browser, client, result, given, **options)


async def attributes(app: App, selector: str, *names: str) -> list[list[float]]:
    """Return numbers that elements of the drawing hold in attributes."""
    read = f"(node) => {list(names)!r}.map((name) => Number(node.getAttribute(name)))"
    found: list[list[float]] = await app.read(f"[...document.querySelectorAll('.plot {selector}')].map({read})")
    return found


async def texts(app: App, selector: str) -> list[str]:
    found: list[str] = await app.read(f"[...document.querySelectorAll({selector!r})].map((node) => node.textContent)")
    return found


@pytest.mark.slow
async def test_names_get_bars_as_long_as_their_numbers(browser: Browser, client: Client) -> None:
    async with await chart(browser, client, "FROM wards") as app:
        await app.click_text("Chart")
        await app.until("document.querySelectorAll('.plot .bar').length === 3")
        assert await app.read("document.querySelector('.plot').ariaLabel") == "Bars: 人口 by 区"
        widths = [width for (width,) in await attributes(app, ".bar", "width")]
        assert widths[1] == pytest.approx(2 * widths[0])
        assert widths[2] == pytest.approx(widths[0] / 2)
        assert await texts(app, ".plot .bar title") == ["港区: 300", "中区: 600", "丘区: 150"]
        assert await texts(app, ".plot .axis-name") == ["区", "人口"]
        assert {"港区", "中区", "丘区", "0", "600"} <= set(await texts(app, ".plot .tick"))


async def test_times_get_lines_in_their_order_one_a_series(browser: Browser, client: Client) -> None:
    async with await chart(browser, client, "FROM months") as app:
        await app.click_text("Chart")
        await app.until("document.querySelectorAll('.plot .path').length === 2")
        assert await texts(app, ".legend li") == ["Canal", "Hill"] or await texts(app, ".legend li") == [
            "Hill",
            "Canal",
        ]
        dots = await attributes(app, ".dot", "cx", "cy")
        for series in (dots[:3], dots[3:]):
            assert [x for x, _ in series] == sorted(x for x, _ in series)
            assert [y for _, y in series] == sorted((y for _, y in series), reverse=True)
        assert await texts(app, ".plot .axis-name") == ["fares", "month"]
        ticks = await texts(app, ".plot .tick")
        assert any("2025" in tick for tick in ticks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "tick"),
    [("MINUTE", "10:06"), ("DAY", "2 Aug, 10:05"), ("YEAR", "1 Aug 2026, 10:05"), ("SECOND", "10:05:01")],
)
async def test_no_two_times_read_alike(browser: Browser, client: Client, steps: str, tick: str) -> None:
    sql = f"SELECT TIMESTAMP '2025-08-01 10:05' + INTERVAL (i) {steps} AS at, i FROM range(3) AS t(i)"
    async with await chart(browser, client, sql) as app:
        await app.click_text("Chart")
        await app.click_text("Bars")
        await app.until("document.querySelectorAll('.plot .bar').length === 3")
        assert tick in await texts(app, ".plot .tick")
        told = await texts(app, ".plot .bar title")
        assert len({one.rpartition(":")[0] for one in told}) == 3
        assert told[0].startswith("1 Aug 2025, 10:05")


async def test_another_kind_and_other_columns_are_drawn_when_chosen(browser: Browser, client: Client) -> None:
    async with await chart(browser, client, "FROM months") as app:
        await app.click_text("Chart")
        await app.click_text("Bars")
        await app.until("document.querySelectorAll('.plot .bar').length === 6")
        assert "Feb 2025" in await texts(app, ".plot .tick")
        await app.choose("Across", "line")
        await app.until("document.querySelector('.plot').ariaLabel.includes('by line')")
        await app.choose("Colour", "none")
        await app.until("document.querySelectorAll('.plot .bar').length === 2")
        assert await texts(app, ".plot .bar title") == ["Hill: 600", "Canal: 630"]
        await app.click_text("Scatter")
        await app.until("document.querySelectorAll('.plot .dot').length === 6")


async def test_numbers_of_one_name_are_put_together_as_chosen(browser: Browser, client: Client) -> None:
    async with await chart(browser, client, "FROM repeated") as app:
        await app.click_text("Chart")
        await app.until("document.querySelectorAll('.plot .bar').length === 2")
        assert await texts(app, ".plot .bar title") == ["A: 3", "B: 10"]
        assert "sum of amount" in await texts(app, ".plot .axis-name")
        for how, wanted in (("mean", "A: 1"), ("count", "A: 3"), ("minimum", "A: -3"), ("maximum", "A: 5")):
            await app.choose("Combine", how)
            await app.until(f"document.querySelector('.plot').ariaLabel.startsWith('Bars: {how} of')")
            assert (await texts(app, ".plot .bar title"))[0] == wanted


async def test_the_chart_is_of_the_rows_that_the_filter_leaves(browser: Browser, client: Client) -> None:
    async with await chart(browser, client, "FROM wards") as app:
        await app.click_text("Chart")
        await app.write("input[type=search]", "港")
        await app.until("document.querySelectorAll('.plot .bar').length === 1")


async def test_rows_without_numbers_are_told(browser: Browser, client: Client) -> None:
    async with await chart(browser, client, "SELECT 区 FROM wards") as app:
        await app.click_text("Chart")
        await app.until("document.querySelector('.plots').textContent === 'There is no column of numbers to draw.'")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Bars", "Line", "Scatter"])
@pytest.mark.parametrize(
    "sql",
    [
        "FROM extreme",
        "SELECT b, b AS c FROM extreme",
        "SELECT a FROM extreme",
        "SELECT 5 AS x, 7 AS y",
        "SELECT DATE '2025-01-01' AS day, 0 AS y",
        "SELECT TIMESTAMP '2025-01-01 08:00' + INTERVAL (i) MINUTE AS at, i FROM range(90) t(i)",
        "SELECT NULL::DATE AS day, 1 AS y",
        'SELECT \'<img onerror=x>\' AS "<b>", -1e-9 AS "</svg>"',
    ],
)
async def test_odd_numbers_are_drawn_or_told(browser: Browser, client: Client, sql: str, kind: str) -> None:
    async with await chart(browser, client, sql) as app:
        await app.click_text("Chart")
        await app.click_text(kind)
        await app.until("document.querySelector('.plots').firstElementChild")
        drawn = "[...document.querySelectorAll('.plot *')].flatMap((node) => [...node.attributes])"
        assert await app.read(f"{drawn}.filter(({{ value }}) => /NaN|Infinity|undefined/.test(value)).length") == 0


async def test_it_is_drawn_anew_for_another_width(browser: Browser, client: Client) -> None:
    async with await chart(browser, client, "FROM wards") as app:
        await app.click_text("Chart")
        await app.until("document.querySelector('.plot')")
        before = await app.read("document.querySelector('.plot').clientWidth")
        await app.host("host.frame.style.width = '400px'")
        await app.until(f"document.querySelector('.plot').clientWidth < {before} - 300")
        assert await app.read("document.documentElement.scrollWidth") == 400
