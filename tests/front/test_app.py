"""The viewer as hosts meet it: where it is named, what it may do, and that hosts without MCP Apps notice nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client
from mcp.client.extension import advertise

from mcp_server.apps.viewer import EXTENSION, MIME_TYPE, VIEWER_URI, app_resources, read_app, tool_meta, viewer_html
from mcp_server.server import create_server
from tests.support.serving import data_of, settings_for, text_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

_ERAS = ("legacy", "2026-07-28")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text("region,amount\nNorth,3\nSouth,4\n")
    return tmp_path


@pytest.mark.parametrize("era", _ERAS)
async def test_the_tools_it_shows_name_it_and_no_others_do(folder: Path, cache: Path, era: str) -> None:
    async with Client(create_server(settings_for(folder, cache=cache)), mode=era) as client:
        listed = {tool.name: tool.meta for tool in (await client.list_tools()).tools}
    named = {"ui": {"resourceUri": VIEWER_URI}}
    assert {name for name, meta in listed.items() if meta == named} == {"query_tables", "read_document"}
    assert {name for name, meta in listed.items() if meta} == {"query_tables", "read_document"}


async def test_the_server_says_that_it_has_apps_where_the_protocol_has_extensions(folder: Path, cache: Path) -> None:
    async with Client(create_server(settings_for(folder, cache=cache)), mode="auto") as client:
        assert EXTENSION in (client.server_capabilities.extensions or {})


@pytest.mark.parametrize("era", _ERAS)
async def test_the_page_is_read_by_its_uri(folder: Path, cache: Path, era: str) -> None:
    async with Client(create_server(settings_for(folder, cache=cache)), mode=era) as client:
        (content,) = (await client.read_resource(VIEWER_URI)).contents
    assert (content.uri, content.mime_type) == (VIEWER_URI, MIME_TYPE)
    assert getattr(content, "text", "") == viewer_html()
    assert content.meta == {"ui": {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}}


def test_the_page_is_listed_with_its_size() -> None:
    (resource,) = app_resources()
    assert (resource.uri, resource.mime_type) == (VIEWER_URI, MIME_TYPE)
    assert resource.size == len(viewer_html().encode())


def test_other_uris_and_tools_have_no_page() -> None:
    assert read_app("ui://fresh-context/other") is None
    assert read_app("table://sales") is None
    assert tool_meta("list_sources") is None


@pytest.mark.slow
async def test_a_host_with_apps_gets_the_same_results_as_one_without(folder: Path, cache: Path) -> None:
    answers: list[Any] = []
    for extensions in ((), (advertise(EXTENSION, {"mimeTypes": [MIME_TYPE]}),)):
        async with Client(create_server(settings_for(folder, cache=cache)), extensions=extensions) as client:
            result = await client.call_tool("query_tables", {"sql": "FROM sales"})
            told = re.sub(r"in [\d.]+ s|read \S+", "", text_of(result))
            data = {key: data_of(result)[key] for key in ("columns", "rows", "row_count", "truncated")}
            answers.append((told, data, result.meta, [block.type for block in result.content]))
    assert answers[0] == answers[1]


def test_the_page_is_small_and_loads_nothing() -> None:
    html = viewer_html()
    assert len(html.encode()) < 82_000
    addresses = set(re.findall(r"https?://[^\"'\s]+", html))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.findall(r"<(?:link|script[^>]+src|iframe|object|embed)", html)
    assert not re.findall(r"@import|url\((?!\\\()|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon", html)


def test_nothing_in_the_page_reads_texts_as_markup_or_code() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser"
    assert not re.findall(forbidden, viewer_html())


def test_the_page_allows_no_script_but_its_own() -> None:
    html = viewer_html()
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    assert found is not None
    rules = dict(rule.strip().split(" ", 1) for rule in found[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["script-src"])
    assert "unsafe" not in found[1]
    assert html.index("Content-Security-Policy") < html.index("<style>") < html.index("<script>")


def test_both_languages_have_the_same_words() -> None:
    tables = re.findall(r"^(?:en|ja): \{$(.*?)^\},$", viewer_html(), re.DOTALL | re.MULTILINE)
    assert len(tables) == 2
    english, japanese = (dict(re.findall(r'^(\w+): ("[^"]*"),$', table, re.MULTILINE)) for table in tables)
    assert english.keys() == japanese.keys()
    for key in english:
        places = [sorted(re.findall(r"\{\w+\}", json.loads(words[key]))) for words in (english, japanese)]
        assert places[0] == places[1], key


def test_every_word_that_the_page_says_is_known() -> None:
    html = viewer_html()
    said = set(re.findall(r'say\("(\w+)"', html))
    known = set(re.findall(r'^(\w+): "', html, re.MULTILINE))
    assert said
    assert said <= known
