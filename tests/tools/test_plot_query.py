"""`plot_query` through the front door: pictures that are really drawn, charts that fit, specs that load nothing."""

from __future__ import annotations

import base64
import importlib.util
import json
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from mcp_context_resources.charts.data import chart_data
from mcp_context_resources.charts.service import Charts
from mcp_context_resources.charts.settings import ChartSettings
from mcp_context_resources.errors import InvalidInputError
from tests.support.serving import EXAMPLE_DATA, connect, data_of, error_of, text_of, wire_chars

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client
    from mcp_types import CallToolResult

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(importlib.util.find_spec("vl_convert") is None, reason="the extra 'charts' is not installed"),
]

DAILY = "SELECT date, sum(boardings) AS boardings FROM trips GROUP BY 1 ORDER BY 1"
BARS = "SELECT 'あ' AS name, 3 AS size UNION ALL SELECT 'い', 5"
AT = {"x": {"field": "at", "type": "quantitative"}}
BAR = {"mark": "bar", "encoding": {"x": {"field": "size"}, "y": {"field": "name"}}}


@pytest.fixture(scope="module")
async def client(cache: Path) -> AsyncIterator[Client]:
    async with connect(EXAMPLE_DATA, cache=cache) as connected:
        yield connected


async def plot(client: Client, sql: str, spec: Any = None, **more: Any) -> CallToolResult:
    """Call the tool."""
    given = {} if spec is None else {"spec": spec}
    return await client.call_tool("plot_query", {"sql": sql, **given, **more})


def png_of(result: CallToolResult) -> bytes:
    """Return the one picture of a result, which comes after the text."""
    assert [block.type for block in result.content] == ["text", "image"], text_of(result)
    block = result.content[1]
    assert block.type == "image"
    assert block.mime_type == "image/png"
    return base64.b64decode(block.data)


def pixels_of(png: bytes) -> tuple[int, int, bytes]:
    """Decode a PNG as far as comparing needs: width, height, and its filtered lines."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    position, size, packed = 8, (0, 0), b""
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        kind, body = png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        assert struct.unpack(">I", png[position + 8 + length : position + 12 + length]) == (zlib.crc32(kind + body),)
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
            assert body[8:] == bytes([8, 6, 0, 0, 0])  # eight bits of red, green, blue and alpha, not interlaced
        packed += body if kind == b"IDAT" else b""
        position += 12 + length
    lines = zlib.decompress(packed)
    assert len(lines) == size[1] * (1 + 4 * size[0])
    return *size, lines


@pytest.mark.slow
async def test_a_chart_is_a_real_picture_with_what_it_shows_in_words(client: Client) -> None:
    result = await plot(client, DAILY, title="乗車数")
    data = data_of(result)
    width, height, lines = pixels_of(png_of(result))
    assert (width, height) == (data["width"], data["height"]) == (1280, 720)
    assert len(set(lines)) > 50  # a blank picture has one colour
    assert data["rows"] == 183
    assert data["truncated"] is False
    assert data["sources"][0]["name"] == "trips"
    assert data["chart"]["title"] == "乗車数"
    assert "values" not in json.dumps(data["chart"])
    assert "line chart (x: date; y: boardings)" in text_of(result)
    assert "boardings from 3,322 to 13,568" in text_of(result)
    assert "Source: trips (" in text_of(result)


@pytest.mark.slow
async def test_the_chart_of_a_result_can_be_sent_again_as_spec(client: Client) -> None:
    first = await plot(client, DAILY)
    again = await plot(client, DAILY, data_of(first)["chart"])
    assert pixels_of(png_of(first)) == pixels_of(png_of(again))
    assert json.dumps(data_of(first)["chart"], separators=(",", ":")) in text_of(first)


async def test_japanese_is_drawn_as_itself(client: Client) -> None:
    spec = {"mark": {"type": "text", "fontSize": 40}, "encoding": {"text": {"field": "t"}}, "width": 200, "height": 60}
    drawn = [pixels_of(png_of(await plot(client, f"SELECT '{text}' AS t", spec))) for text in ("東京", "京都", "ab")]
    # Boxes in place of missing glyphs would be the same for every text of one length.
    assert len({lines for _, _, lines in drawn}) == 3
    bold = spec | {"mark": {"type": "text", "fontSize": 40, "fontWeight": "bold"}}
    assert pixels_of(png_of(await plot(client, "SELECT '東京' AS t", bold))) != drawn[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "mark", "says"),
    [
        ("SELECT DATE '2026-01-01' + i::INT AS day, i * 3 AS n FROM range(30) t(i)", "line", "x: day; y: n"),
        ("SELECT '2026-' || lpad(i::TEXT, 2, '0') AS month, i AS n FROM range(1, 9) t(i)", "line", "x: month; y: n"),
        ("SELECT 2000 + i AS 年度, i * 1.5 AS 売上 FROM range(20) t(i)", "line", "x: 年度; y: 売上"),
        (
            "SELECT DATE '2026-01-01' + (i // 20)::INT AS day, 'shop ' || i % 20 AS shop, i AS n FROM range(180) t(i)",
            "line",
            "The 8 of 20 shop with the largest sum of n",
        ),
        ("SELECT DATE '2026-01-01' + i::INT AS day, i AS low, i + 9 AS high FROM range(1, 9) t(i)", "line", "measure"),
        ("SELECT DATE '2026-01-01' + i::INT AS day, i AS t_c, i AS r_mm FROM range(9) t(i)", "line", "a panel of its"),
        ("SELECT DATE '2026-01-01' AS day, i AS n FROM range(9) t(i)", "bar", "n in ranges"),
        ("SELECT DATE '2026-01-01' + (i % 3)::INT AS day, i AS n FROM range(9) t(i)", "point", "share a value of day"),
        ("SELECT 'item ' || i AS item, i AS n FROM range(9) t(i)", "bar", "x: n; y: item"),
        ("SELECT 'item ' || i AS item, i AS n FROM range(60) t(i)", "bar", "largest 30 of 60"),
        ("SELECT 'item ' || i AS item, i AS n FROM range(60) t(i) ORDER BY item", "bar", "first 30 of 60"),
        ("SELECT i AS shop_id, i * 2 AS n FROM range(9) t(i)", "bar", "y: shop_id"),
        ("SELECT 'g' || i % 3 AS g, i AS n FROM range(99) t(i)", "boxplot", "median"),
        ("SELECT 'g' || i % 3 AS g, 's' || i // 3 AS s, i AS n FROM range(12) t(i)", "bar", "color: g"),
        ("SELECT 'g' || i % 9 AS g, 's' || i // 9 AS s, i AS n FROM range(81) t(i)", "rect", "color: n"),
        ("SELECT i % 24 AS hour, i // 24 AS weekday, i AS n FROM range(168) t(i)", "rect", "x: hour; y: weekday"),
        ("SELECT 'g' || i AS g, i AS a, i + 1 AS b FROM range(1, 5) t(i)", "bar", "color: measure"),
        ("SELECT 'g' || i AS g, i AS a, i * 1000 AS b FROM range(1, 5) t(i)", "bar", "x: a; y: g; x: b"),
        ("SELECT i AS a, sin(i) AS b FROM range(99) t(i)", "point", "x: a; y: b"),
        ("SELECT 's' || i AS stop, 35 + i AS lat, 135 - i AS lon FROM range(9) t(i)", "point", "x: lon; y: lat"),
        ("SELECT sin(i) AS a FROM range(99) t(i)", "bar", "a in ranges"),
        ("SELECT 3 AS a, 5 AS b", "bar", "measure"),
        ("SELECT 'k' || i % 3 AS kind FROM range(99) t(i)", "bar", "counts rows by kind"),
    ],
)
async def test_a_fitting_chart_is_chosen_by_the_kinds_of_columns(
    client: Client, sql: str, mark: str, says: str
) -> None:
    result = await plot(client, sql)
    chart = data_of(result)["chart"]
    views = chart.get("hconcat") or chart.get("vconcat") or [chart]
    assert {view["mark"] if isinstance(view["mark"], str) else view["mark"]["type"] for view in views} == {mark}
    assert says in text_of(result)
    assert pixels_of(png_of(result))


@pytest.mark.slow
async def test_bars_keep_the_order_of_a_sorted_result_and_are_sorted_else(client: Client) -> None:
    assert data_of(await plot(client, f"{BARS} ORDER BY name"))["chart"]["encoding"]["y"]["sort"] is None
    assert data_of(await plot(client, BARS))["chart"]["encoding"]["y"]["sort"] == "-x"
    window = "SELECT 'g' || i AS g, sum(i) OVER (ORDER BY i) AS n FROM range(5) t(i)"
    assert data_of(await plot(client, window))["chart"]["encoding"]["y"]["sort"] == "-x"


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT 1 AS n WHERE false", "no rows"),
        ("SELECT 42 AS n", "single number"),
        ("SELECT NULL::INT AS n, NULL AS b FROM range(3)", "nothing to draw"),
        ("SELECT 'nan'::DOUBLE AS n FROM range(3)", "nothing to draw"),
        ("SELECT 't' || i AS t FROM range(9) t(i)", "no number to draw"),
    ],
)
async def test_what_is_no_chart_is_told(client: Client, sql: str, says: str) -> None:
    error = error_of(await plot(client, sql))
    assert error["code"] == "invalid_input"
    assert says in error["message"]


async def test_nulls_infinities_and_exact_numbers_are_drawn_as_far_as_they_can_be(client: Client) -> None:
    sql = (
        "SELECT * FROM (VALUES ('a', 1.5::DECIMAL(38, 20), 'inf'::DOUBLE, NULL), ('b', NULL, 2, NULL),"
        " ('c', 12345678901234567.12345678901234567890, 'nan'::DOUBLE, NULL)) t(name, exact, wide, none)"
    )
    result = await plot(client, sql)
    assert "exact from 1.5 to" in text_of(result)
    assert "Left out, since all values are null: none" in text_of(result)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"data": {"url": "http://127.0.0.1/x.csv"}, **BAR}, "spec.data.url"),
        ({"data": {"url": "file:///etc/passwd"}, **BAR}, "spec.data.url"),
        ({"data": {"values": [{"size": 1}]}, **BAR}, "the chart's data are the rows of sql"),
        ({"data": {"name": "other"}, **BAR}, "no dataset 'other'"),
        ({"data": "http://127.0.0.1/x.csv", **BAR}, "spec.data is not an object"),
        ({"data": {"values": "a,b", "format": {"type": "csv"}}, **BAR}, "the chart's data"),
        ({"layer": [BAR, {"data": {"url": "x.json"}, "mark": "rule"}]}, "spec.layer[1].data.url"),
        ({"layer": [BAR, {"data": {"values": "a"}, "mark": "rule"}]}, "is not a list"),
        ({"layer": [BAR, {"data": {"values": [{}] * 201}, "mark": "rule"}]}, "at most 200 rows"),
        ({"layer": [BAR, {"data": {"sequence": {"start": 0, "stop": 1e9}}, "mark": "rule"}]}, "5,000 numbers"),
        ({"layer": [BAR, {"data": {"name": "query", "format": {"type": "topojson"}}}]}, "may only hold parse"),
        ({"hconcat": [{"vconcat": [{"data": {"url": "x"}, **BAR}]}]}, "vconcat[0].data.url"),
        ({"facet": {"field": "name"}, "spec": {"data": {"url": "x"}, **BAR}}, "spec.spec.data.url"),
        ({"repeat": ["size"], "spec": {"data": {"url": "x"}, **BAR}}, "spec.spec.data.url"),
        ({"transform": [{"lookup": "name", "from": {"data": {"url": "x"}, "key": "k"}}], **BAR}, "from.data.url"),
        ({"datasets": {"query": [{"size": 1}]}, **BAR}, "takes no datasets"),
        ({"usermeta": {"embedOptions": {"loader": {}}}, **BAR}, "takes no usermeta"),
        ({"mark": {"type": "image", "url": "file:///etc/x.png"}}, "spec.mark: a chart can't hold images"),
        ({"mark": "image", "encoding": {"x": {"field": "size"}}}, "can't hold images"),
        ({"mark": "point", "encoding": {"url": {"field": "name"}}}, "encoding.url"),
        ({"mark": {"type": "point", "href": "http://127.0.0.1/"}}, "mark.href"),
        ({"mark": "point", "encoding": {"href": {"field": "name"}}}, "can't hold links"),
        ({"config": {"image": {"url": "x.png"}}, **BAR}, "config.image.url"),
        ({"config": {"style": {"s": {"url": {"expr": "'x.png'"}}}}, **BAR}, "config.style.s.url"),
        ({"$schema": "https://vega.github.io/schema/vega/v5.json", **BAR}, "not Vega-Lite's"),
        ({"$schema": "http://127.0.0.1/x.json", **BAR}, "not Vega-Lite's"),
        ({"marks": [], "scales": []}, "Vega, not Vega-Lite"),
        ({"encoding": {}}, "nothing to draw"),
        ({"layer": []}, "nothing to draw"),
        ({"mark": 5}, "nothing to draw"),
        ({"padding": -1000, **BAR}, "invalid size"),
        ({"description": "x" * 20_001, **BAR}, "at most 20,000"),
        ("{not json", "not JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 5_000, "not JSON"),
        (json.loads('{"mark":"bar","a":' + '{"a":' * 60 + "1" + "}" * 61), "nested too deep"),
        ({"mark": "bar", "encoding": {"x": {"field": "sizes"}}}, "no column 'sizes'"),
        ({"transform": [{"aggregate": [], "groupby": ["nam"]}], **BAR}, "no column 'nam'"),
        ({"mark": "no such mark"}, "Vega-Lite can't draw this"),
        ({**BAR, "transform": [{"calculate": "datum.(", "as": "z"}]}, "Vega-Lite can't draw this"),
    ],
)
async def test_a_spec_that_loads_something_or_cant_be_drawn_is_refused(client: Client, spec: Any, says: str) -> None:
    error = error_of(await plot(client, BARS, spec))
    assert error["code"] == "invalid_input"
    assert says in error["message"], error
    assert error["hint"]


async def test_a_wrong_field_names_the_nearest_column(client: Client) -> None:
    error = error_of(await plot(client, BARS, {"mark": "bar", "encoding": {"x": {"field": "Sise"}}}))
    assert "spec.encoding.x.field" in error["message"]
    assert "Did you mean 'size'?" in error["hint"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        json.dumps(BAR),
        {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", **BAR},
        {"data": {"name": "query"}, **BAR},
        {"layer": [BAR, {"data": {"values": [{"at": 4, "url": "only a value"}]}, "mark": "rule", "encoding": AT}]},
        {"layer": [BAR, {"data": {"sequence": {"start": 0, "stop": 5, "as": "k"}}, "mark": "tick"}]},
        {**BAR, "transform": [{"calculate": "datum.size * 2", "as": "size2"}, {"filter": {"field": "size2", "gt": 1}}]},
        {
            "transform": [{"fold": ["size"]}],
            "mark": "bar",
            "encoding": {"x": {"field": "value"}, "y": {"field": "key"}},
        },
        {"repeat": ["size"], "spec": {"mark": "bar", "encoding": {"x": {"field": {"repeat": "repeat"}}}}},
        {"mark": "arc", "encoding": {"theta": {"field": "size"}, "color": {"field": "name"}}},
        {"facet": {"field": "name"}, "spec": BAR},
    ],
)
async def test_the_rows_are_drawn_as_a_harmless_spec_says(client: Client, spec: Any) -> None:
    assert len(set(pixels_of(png_of(await plot(client, BARS, spec)))[2])) > 20


async def test_types_left_out_are_those_of_the_columns_and_there_is_no_container(client: Client) -> None:
    spec = {"width": "container", "height": 9_000, "mark": "bar", "encoding": BAR["encoding"]}
    data = data_of(await plot(client, BARS, spec))
    assert data["chart"]["encoding"]["x"]["type"] == "quantitative"
    assert data["chart"]["encoding"]["y"]["type"] == "nominal"
    assert "width" not in data["chart"]
    assert data["chart"]["height"] == 1200
    assert data["notes"] == ["height 9000 was set to 1200."]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["売上.合計[円]", "it's", 'a"b', "a\\b", "x y", "日本語"])
async def test_columns_of_any_name_are_drawn(client: Client, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    sql = f"SELECT i * i AS {quoted}, 'k' || i AS k FROM range(5) t(i)"
    chosen = await plot(client, sql)
    plain = await plot(client, "SELECT i * i AS n, 'k' || i AS k FROM range(5) t(i)")
    assert f"{name} from 0 to 16" in text_of(chosen)
    for field in {name, name.replace(".", "\\.").replace("[", "\\[").replace("]", "\\]")}:
        axes = {"x": {"field": field, "title": None}, "y": {"field": "k"}}
        theirs = await plot(client, sql, {"mark": "bar", "encoding": axes})
        axes = {"x": {"field": "n", "title": None}, "y": {"field": "k"}}
        ours = await plot(client, plain_sql(plain), {"mark": "bar", "encoding": axes})
        assert pixels_of(png_of(theirs)) == pixels_of(png_of(ours))


def plain_sql(_: CallToolResult) -> str:
    """Return the statement of the same chart with a plain name."""
    return "SELECT i * i AS n, 'k' || i AS k FROM range(5) t(i)"


@pytest.mark.slow
async def test_a_date_is_drawn_as_the_day_it_is_wherever_the_server_runs(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    form = "%Y-%m-%d %H:%M"
    spec: dict[str, Any] = {"mark": {"type": "text", "fontSize": 30}, "width": 400, "height": 60}
    temporal = spec | {"encoding": {"text": {"field": "t", "type": "temporal", "format": form}}}
    nominal = spec | {"encoding": {"text": {"field": "t", "type": "nominal"}}}
    async with connect(EXAMPLE_DATA, cache=cache) as client:
        for value, text in (
            ("DATE '2026-01-01'", "2026-01-01 00:00"),
            ("TIMESTAMP '2026-03-08 02:30:00'", "2026-03-08 02:30"),
            ("'2026-01'", "2026-01-01 00:00"),
        ):
            drawn = pixels_of(png_of(await plot(client, f"SELECT {value} AS t", temporal)))
            written = pixels_of(png_of(await plot(client, f"SELECT '{text} ' AS t", nominal)))
            assert drawn == written


async def test_a_year_is_never_a_moment_of_1970(client: Client) -> None:
    spec = {"mark": "bar", "encoding": {"x": {"field": "year", "type": "temporal"}, "y": {"field": "n"}}}
    data = data_of(await plot(client, "SELECT 2020 + i AS year, i AS n FROM range(5) t(i)", spec))
    assert data["chart"]["encoding"]["x"]["type"] == "ordinal"
    assert "not dates" in data["notes"][0]


@pytest.mark.slow
async def test_a_cut_result_says_so_in_words_and_in_the_picture(cache: Path) -> None:
    async with connect(EXAMPLE_DATA, cache=cache, charts={"max_rows": 100}) as client:
        whole = await plot(client, "SELECT i AS a, i AS b FROM range(100) t(i)")
        cut = await plot(client, "SELECT i AS a, i AS b FROM range(101) t(i)")
    assert data_of(whole)["truncated"] is False
    assert data_of(cut)["truncated"] is True
    assert data_of(cut)["rows"] == 100
    assert "only the first 100 rows are drawn" in text_of(cut)
    assert data_of(cut)["chart"] == data_of(whole)["chart"]
    assert pixels_of(png_of(cut)) != pixels_of(png_of(whole))  # the same rows, and the warning above them


@pytest.mark.slow
async def test_panels_are_few_and_laid_out_in_rows(client: Client) -> None:
    sql = "SELECT 'g' || i % {} AS g, i AS n FROM range(100) t(i)"
    spec = {"mark": "tick", "encoding": {"x": {"field": "n"}, "column": {"field": "g"}}}
    chart = data_of(await plot(client, sql.format(10), spec))["chart"]
    assert chart["encoding"]["facet"]["columns"] == 3
    error = error_of(await plot(client, sql.format(50), spec))
    assert "50 panels; at most 24" in error["message"]


@pytest.mark.slow
async def test_a_picture_stays_small_however_much_it_shows(cache: Path) -> None:
    sql = "SELECT sin(i * 7919) AS a, cos(i * 104729) AS b FROM range(5000) t(i)"
    async with connect(EXAMPLE_DATA, cache=cache) as client:
        assert len(png_of(await plot(client, sql))) < 700_000
    async with connect(EXAMPLE_DATA, cache=cache, charts={"max_image_kb": 150}) as client:
        result = await plot(client, sql)
    assert len(png_of(result)) <= 150_000
    assert data_of(result)["width"] < 1280


@pytest.mark.slow
async def test_the_words_around_a_picture_keep_to_the_budget(cache: Path) -> None:
    async with connect(EXAMPLE_DATA, cache=cache, budget={"max_chars": 2_000}) as client:
        result = await plot(client, BARS, {**BAR, "description": "x" * 15_000})
        assert wire_chars(result) <= 2_000
        assert png_of(result)
        assert "chart" not in data_of(result)


SPIN = {
    **BAR,
    "transform": [{"calculate": "test(regexp('(a+)+$'), 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab')", "as": "z"}],
}


@pytest.mark.slow
async def test_a_chart_that_never_ends_is_stopped_and_the_next_one_drawn(cache: Path) -> None:
    async with connect(EXAMPLE_DATA, cache=cache, charts={"deadline_seconds": 5}) as client:
        assert error_of(await plot(client, BARS, SPIN))["code"] == "deadline_exceeded"
        assert png_of(await plot(client, BARS))


@pytest.mark.slow
async def test_a_chart_too_large_to_draw_is_refused_and_the_next_one_drawn(client: Client) -> None:
    wide = {"hconcat": [{**BAR, "width": 500, "height": 500} for _ in range(20)]}
    error = error_of(await plot(client, BARS, wide))
    assert "too large for a chat window" in error["message"]
    text = {"mark": {"type": "text", "fontSize": 1e7}, "encoding": {"text": {"field": "name"}}}
    assert (await plot(client, BARS, text)).is_error
    assert png_of(await plot(client, BARS))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is capped by the system only on Linux")
async def test_a_chart_that_eats_memory_is_stopped_and_the_next_one_drawn(cache: Path) -> None:
    bomb = "+".join(["pad(datum.name, 100000000, 'y')"] * 20)
    spec = {**BAR, "transform": [{"calculate": f"length(replace({bomb}, /y/g, 'zz'))", "as": "z"}]}
    async with connect(EXAMPLE_DATA, cache=cache, charts={"worker_memory_mb": 768}) as client:
        assert error_of(await plot(client, BARS, spec))["code"] in {"worker_crashed", "out_of_memory", "invalid_input"}
        assert png_of(await plot(client, BARS))


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        {"data": {"url": "http://127.0.0.1:9/x.csv"}, "mark": "point"},
        {"mark": {"type": "image", "url": "http://127.0.0.1:9/x.png", "width": 9, "height": 9}},
        {"mark": {"type": "image", "url": "file:///etc/hostname", "width": 9, "height": 9}},
    ],
)
async def test_the_renderer_itself_loads_nothing_even_from_an_unchecked_spec(spec: dict[str, Any]) -> None:
    charts = Charts(ChartSettings())
    data = chart_data([("a", "INTEGER")], [[1], [2]])
    try:
        with pytest.raises(InvalidInputError):
            await charts.render(data, spec, ordered=False)
    finally:
        await charts.aclose()


@pytest.mark.slow
async def test_the_renderer_is_neither_imported_nor_started_until_a_chart_is_drawn(cache: Path) -> None:
    import psutil

    async with connect(EXAMPLE_DATA, cache=cache) as client:
        before = len(psutil.Process().children(recursive=True))
        assert error_of(await plot(client, BARS, {"mark": "image"}))
        assert len(psutil.Process().children(recursive=True)) == before
        assert png_of(await plot(client, BARS))
        assert "vl_convert" not in sys.modules


async def test_without_the_renderer_the_hint_says_how_to_install_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "vl_convert" else find(name, *a))
    error = error_of(await plot(client, BARS))
    assert error["code"] == "charts_unavailable"
    assert "fresh-context[charts]" in error["hint"]


def test_numbers_and_times_of_a_result_become_what_the_renderer_reads() -> None:
    columns = [("n", "HUGEINT"), ("d", "DECIMAL(38,2)"), ("t", "TIMESTAMP WITH TIME ZONE"), ("n", "DOUBLE")]
    data = chart_data(columns, [["12345678901234567890", "0.1", "2026-01-01 09:00:00.123456+09:00", "inf"]])
    assert [column.name for column in data.columns] == ["n", "d", "t", "n_2"]
    assert data.rows == [{"n": 12345678901234567890.0, "d": 0.1, "t": "2026-01-01T09:00:00.123", "n_2": None}]
