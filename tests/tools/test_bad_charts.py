"""`plot_query` under attack: specifications that would load, loop, swell or pollute, and data that would speak."""

from __future__ import annotations

import importlib.util
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.serving import connect, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mcp.client.client import Client
    from mcp_types import CallToolResult

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(importlib.util.find_spec("vl_convert") is None, reason="the extra 'charts' is not installed"),
    pytest.mark.slow,
]

BARS = "SELECT 'あ' AS name, 3 AS size UNION ALL SELECT 'い', 5"
XY: dict[str, Any] = {"x": {"field": "size", "type": "quantitative"}, "y": {"field": "name", "type": "nominal"}}
BAR: dict[str, Any] = {"mark": "bar", "encoding": XY}


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[str, list[object]]]:
    """Give the address of a server on this machine, and the list of those who called it."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, caller = server.accept()
                except OSError:
                    return
                callers.append(caller)
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x", callers
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> AsyncIterator[Client]:
    charts = {"deadline_seconds": 5, "worker_memory_mb": 768}
    async with connect(tmp_path_factory.mktemp("charts"), cache=cache, charts=charts) as connected:
        yield connected


async def plot(client: Client, spec: Any, sql: str = BARS) -> CallToolResult:
    return await client.call_tool("plot_query", {"sql": sql, "spec": spec})


async def harmless(client: Client, result: CallToolResult) -> None:
    """Check that a chart was drawn or refused with a reason, and that the next one is drawn where one was begun."""
    if result.is_error:
        error = error_of(result)
        assert error["code"] in {"invalid_input", "deadline_exceeded", "out_of_memory", "worker_crashed"}, error
        assert error["hint"]
        if error["code"] == "invalid_input":  # refused before anything could break
            return
    after = await plot(client, BAR)
    assert [block.type for block in after.content] == ["text", "image"], text_of(after)


PLACES = [
    '{"data":{"url":"@"},"mark":"bar"}',
    '{"__proto__":{"data":{"url":"@"}},"mark":"bar"}',
    '{"constructor":{"prototype":{"url":"@"}},"mark":"bar"}',
    '{"mark":{"type":"point","__proto__":{"type":"image","url":"@"}},"encoding":{"x":{"field":"size"}}}',
    '{"mark":{"type":"point","shape":"url(@)","fill":"url(@)","stroke":"url(@#a)"},"encoding":{"x":{"field":"size"}}}',
    '{"mark":{"type":"text","font":"url(@)"},"encoding":{"text":{"value":"<image href=\'@\'/>"}}}',
    '{"mark":{"type":"text","clip":{"expr":"\'@\'"}},"encoding":{"text":{"field":"name"}}}',
    '{"mark":{"type":{"expr":"\'image\'"}},"encoding":{"x":{"field":"size"}}}',
    '{"mark":"bar","title":{"text":"<image xlink:href=\'@\'/>","font":"@"},"encoding":{"x":{"field":"size"}}}',
    '{"mark":"bar","encoding":{"x":{"field":"size"}},"config":{"locale":{"number":"@","time":"@"}}}',
    '{"mark":"bar","encoding":{"x":{"field":"size"}},"config":{"background":"url(@)","font":"@"}}',
    '{"mark":"bar","encoding":{"x":{"field":"size"}},"params":[{"name":"p","bind":{"input":"text","element":"@"}}]}',
    '{"mark":"bar","encoding":{"x":{"field":"size"}},"transform":[{"calculate":"loadData(\'@\')","as":"z"}]}',
    '{"mark":"bar","encoding":{"x":{"field":"size"}},"transform":[{"lookup":"size","from":{"param":"@","key":"a"}}]}',
    '{"mark":"bar","encoding":{"x":{"field":"size"}},"autosize":{"type":"fit","contains":"@"},"width":{"signal":"@"}}',
    '{"mark":"bar","encoding":{"x":{"field":"size","axis":{"labelExpr":"fetch(\'@\')"}}}}',
    '{"mark":"bar","encoding":{"x":{"field":"size","scale":{"range":{"url":"@"}}}}}',
    '{"mark":"bar","encoding":{"x":{"field":"size"}},"projection":{"type":"@"}}',
    '{"layer":[{"mark":"geoshape","data":{"values":[],"format":{"type":"topojson","feature":"@"}}}]}',
    '{"mark":"image","encoding":{"x":{"field":"size"}}}',
    '{"mark":{"type":"bar","style":"i"},"config":{"style":{"i":{"type":"image","url":"@"}}},"encoding":{}}',
]


@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize("place", PLACES)
async def test_an_address_anywhere_in_a_spec_is_never_looked_up(
    client: Client, listener: tuple[str, list[object]], place: str, scheme: str
) -> None:
    address, callers = listener
    result = await plot(client, place.replace("@", address if scheme == "http" else "file:///etc/passwd"))
    await harmless(client, result)
    assert not callers
    assert "root:x:" not in str(result)


BOMBS: dict[str, dict[str, Any]] = {
    "impute": BAR
    | {"transform": [{"impute": "size", "key": "name", "keyvals": {"start": 0, "stop": 1e9}, "value": 0}]},
    "impute channel": {"mark": "bar", "encoding": XY | {"y": XY["x"] | {"impute": {"keyvals": {"stop": 1e9}}}}},
    "sequence": BAR | {"transform": [{"calculate": "sequence(1e10)", "as": "z"}]},
    "inner sequence": BAR | {"transform": [{"calculate": "length(sequence(1e8))+length(sequence(1e8))", "as": "z"}]},
    "fold": BAR | {"transform": [{"fold": ["size"] * 500}] * 5},
    "flatten": BAR | {"transform": [{"calculate": "sequence(5000)", "as": "z"}, {"flatten": ["z"]}] * 6},
    "density": BAR | {"transform": [{"density": "size", "steps": 1_000_000_000, "extent": [0, 9]}]},
    "quantile": BAR | {"transform": [{"quantile": "size", "step": 1e-12}]},
    "regression": BAR | {"transform": [{"regression": "size", "on": "size", "method": "poly", "order": 100_000}]},
    "bins": {"mark": "bar", "encoding": {"x": {"field": "size", "bin": {"step": 1e-12}}, "y": {"aggregate": "count"}}},
    "ticks": {"mark": "bar", "encoding": XY | {"x": XY["x"] | {"axis": {"tickCount": 1e9}}}},
    "time ticks": {
        "mark": "bar",
        "encoding": {
            "x": {"field": "size", "type": "temporal", "scale": {"domain": [0, 1e15]}, "axis": {"tickCount": "second"}}
        },
    },
    "graticule": {"data": {"graticule": {"step": [1e-4, 1e-4]}}, "mark": "geoshape"},
    "colours": {
        "mark": "bar",
        "encoding": XY | {"color": XY["x"] | {"bin": {"maxbins": 1e9}, "scale": {"count": 1e9}}},
    },
    "signals": BAR | {"params": [{"name": "a", "expr": "b+1"}, {"name": "b", "expr": "a+1"}]},
    "long text": {"mark": "text", "encoding": {"text": {"value": "x" * 19_000}}},
    "wide": BAR | {"padding": {"left": 1e9}},
    "scale": BAR | {"config": {"scale": {"bandPaddingInner": -1e9, "minFontSize": 1e12}}},
    "step": BAR | {"width": {"step": 1e300}, "height": {"step": -1}},
    "layers": {"layer": [{"mark": "bar", "encoding": {"x": {"field": "size"}}}] * 390},
    "dash": {"mark": {"type": "line", "strokeDash": [1e-9, 1e-9]}, "encoding": XY},
    "custom format": {
        "mark": "bar",
        "encoding": XY | {"x": XY["x"] | {"axis": {"formatType": "constructor", "format": "__proto__"}}},
        "config": {"customFormatTypes": True, "numberFormatType": "toString"},
    },
    "format": {"mark": "bar", "encoding": XY | {"x": XY["x"] | {"axis": {"format": "." + "9" * 300 + "f"}}}},
    "interpolate": {"mark": {"type": "area", "interpolate": "__proto__"}, "encoding": XY},
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_spec_that_swells_or_loops_is_stopped_and_the_next_chart_is_drawn(client: Client, bomb: str) -> None:
    await harmless(client, await plot(client, BOMBS[bomb]))


def nested(key: str, depth: int) -> dict[str, Any]:
    spec: dict[str, Any] = dict(BAR)
    for _ in range(depth):
        spec = {key: [spec]}
    return spec


@pytest.mark.parametrize("key", ["layer", "hconcat", "vconcat", "concat"])
@pytest.mark.parametrize("depth", [15, 100])
async def test_views_in_views_are_drawn_or_refused(client: Client, key: str, depth: int) -> None:
    await harmless(client, await plot(client, nested(key, depth)))


@pytest.mark.parametrize(
    "spec",
    [
        {**BAR, "repeat": []},
        {"repeat": {"row": ["size"] * 400, "column": ["size"] * 400}, "spec": BAR},
        {"repeat": "size", "spec": BAR},
        {"facet": [], "spec": BAR},
        {"facet": {"row": []}, "spec": BAR},
        {"concat": {"a": 1}, "spec": []},
        {"hconcat": "x"},
        {"layer": [[], 1, None, "x"]},
        {**BAR, "encoding": []},
        {**BAR, "encoding": {"x": [[[]]]}},
        {**BAR, "encoding": {"x": {"field": {"repeat": "layer"}}}},
        {**BAR, "encoding": {"x": {"field": {}}}},
        {**BAR, "encoding": {"column": []}},
        {**BAR, "width": [], "height": {}},
        {**BAR, "width": {"step": "x"}},
        {**BAR, "width": True},
        {**BAR, "width": 1e308, "height": -1e308},
        {**BAR, "transform": {}},
        {**BAR, "transform": [None, 1, "x", []]},
        {**BAR, "params": {}},
        {**BAR, "title": [[[]]]},
        {**BAR, "config": []},
        {**BAR, "data": []},
        {**BAR, "data": {"sequence": []}},
        {**BAR, "data": {"sequence": {"start": "x"}}},
        {**BAR, "data": {"sequence": {"start": 0, "stop": 5, "step": 0}}},
        {**BAR, "data": {"name": ["query"]}},
        {**BAR, "data": {"name": {}}},
        {**BAR, "data": {"format": {"parse": []}}},
        {**BAR, "data": {"format": {"type": []}}},
        {"layer": [{**BAR, "data": {"values": [None, 1, "x", [[]]]}}]},
        {**BAR, "columns": "x"},
        {**BAR, "mark": {"type": []}},
        {**BAR, "resolve": 1},
        {**BAR, "$schema": []},
        {"": BAR, **BAR},
    ],
    ids=lambda spec: json.dumps(spec)[-60:],
)
async def test_parts_of_a_wrong_kind_are_drawn_or_refused_and_no_fault_of_the_server(client: Client, spec: Any) -> None:
    await harmless(client, await plot(client, spec))


@pytest.mark.parametrize(
    "name", ["constructor", "toString", "__proto__", "datum", "signal", "a;b", "</svg>", "'\"`${1}"]
)
async def test_columns_and_values_of_dangerous_names_are_drawn_as_themselves(client: Client, name: str) -> None:
    column, value = name.replace('"', '""'), name.replace("'", "''")
    sql = f"SELECT '{value}' || i AS \"{column}\", i * i AS n FROM range(4) t(i)"
    for given in ({}, {"spec": {"mark": "bar", "encoding": {"x": {"field": "n"}, "y": {"field": name}}}}):
        result = await client.call_tool("plot_query", {"sql": sql, **given})
        assert [block.type for block in result.content] == ["text", "image"], text_of(result)
