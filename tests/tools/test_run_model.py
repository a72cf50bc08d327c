"""`run_model` with the real starter model: held to schemas, bounded, cancellable, never fatal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.serving import EXAMPLE_DATA, connect, data_of, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client

pytestmark = [pytest.mark.anyio, pytest.mark.model, pytest.mark.slow]

YEN = {"type": "object", "properties": {"yen": {"type": "integer"}}, "required": ["yen"], "additionalProperties": False}


@pytest.fixture(scope="module")
async def client(cache: Path) -> AsyncIterator[Client]:
    async with connect(EXAMPLE_DATA, cache=cache) as connected:
        yield connected


async def test_a_question_about_a_page_is_answered_with_its_source_and_its_cost(client: Client) -> None:
    arguments = {
        "task": "generate",
        "prompt": "How long is lost property kept?",
        "sources": ["passenger-handbook.pdf#pages=5"],
        "max_tokens": 40,
    }
    result = await client.call_tool("run_model", arguments)
    data = data_of(result)
    assert data["text"]
    assert data["text"] in text_of(result)
    assert [source["name"] for source in data["sources"]] == ["passenger-handbook.pdf"]
    assert data["quantization"] == "Q4_1"
    assert 300 < data["prompt_tokens"] < 700
    assert 0 < data["completion_tokens"] <= 40
    assert data["truncated"] is (data["finish"] == "length")


async def test_an_extraction_follows_its_schema(client: Client) -> None:
    arguments = {
        "task": "extract",
        "prompt": "What does an adult single cost in yen?",
        "sources": ["passenger-handbook.pdf#pages=2"],
        "json_schema": YEN,
    }
    result = await client.call_tool("run_model", arguments)
    value = data_of(result)["json"]
    assert isinstance(value["yen"], int)
    assert json.loads(text_of(result).splitlines()[0]) == value


async def test_a_label_is_always_one_of_those_in_the_list(client: Client) -> None:
    labels = ["河川", "鉄道", "空港"]
    schema = {"type": "object", "properties": {"label": {"enum": labels}}, "required": ["label"]}
    arguments = {"task": "extract", "prompt": "Tramway", "json_schema": schema, "max_tokens": 60}
    assert data_of(await client.call_tool("run_model", arguments))["json"]["label"] in labels


async def test_an_answer_is_quoted_from_the_page_whatever_the_model_wrote(client: Client) -> None:
    arguments = {
        "task": "answer",
        "prompt": "How many days is lost property kept?",
        "sources": ["passenger-handbook.pdf"],
        "max_tokens": 40,
    }
    result = await client.call_tool("run_model", arguments)
    data = data_of(result)
    cited = data["statements"] or data["closest"]
    assert cited
    for one in cited:
        found = data_of(await client.call_tool("read_document", {"document": one["uri"]}))["matches"]
        assert " ".join(" ".join(match["text"] for match in found).split()) == one["quote"]
        assert one["uri"] in text_of(result)
    assert data["status"] in {"answered", "not_in_sources", "not_verified"}
    assert data["saved_tokens"] > 1_000


async def test_a_summary_points_to_the_pages_it_read(client: Client) -> None:
    arguments = {"task": "summarize", "sources": ["passenger-handbook.pdf#pages=4-5"], "max_tokens": 120}
    data = data_of(await client.call_tool("run_model", arguments))
    assert data["parts_read"] == data["parts"] >= 1
    assert 1 <= len(data["points"]) <= 2
    assert {point["page"] for point in data["points"]} <= {4, 5}


async def test_a_japanese_question_is_answered_in_japanese_words_of_the_source(client: Client) -> None:
    arguments = {
        "task": "answer",
        "prompt": "運行案内には何が書かれていますか？",
        "sources": ["運行案内.pdf"],
        "max_tokens": 20,
    }
    data = data_of(await client.call_tool("run_model", arguments))
    assert data["sources"][0]["name"] == "運行案内.pdf"
    assert data["statements"] or data["closest"]


async def test_progress_is_reported_while_a_long_prompt_is_read(cache: Path) -> None:
    seen: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    arguments = {"task": "generate", "prompt": "one two three " * 220, "max_tokens": 1}
    async with connect(EXAMPLE_DATA, cache=cache) as client:
        data = data_of(await client.call_tool("run_model", arguments, progress_callback=note))
    assert [done for done in seen if done < data["prompt_tokens"] - 1]


async def test_a_table_can_be_a_source_and_what_was_left_out_is_told(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "stops.csv").write_text("stop\n" + "".join(f"{n}\n" for n in range(150)), encoding="utf-8")
    arguments = {"task": "generate", "prompt": "Name a stop.", "sources": ["stops"], "max_tokens": 1}
    async with connect(tmp_path, cache=cache, tables={"max_rows": 100}) as client:
        data = data_of(await client.call_tool("run_model", arguments))
    assert [source["name"] for source in data["sources"]] == ["stops"]
    assert any("first 100 rows" in note for note in data["notes"])


async def test_an_unfinished_json_is_an_error_not_a_broken_value(client: Client) -> None:
    arguments = {"task": "extract", "prompt": "Write.", "json_schema": YEN, "max_tokens": 2}
    error = error_of(await client.call_tool("run_model", arguments))
    assert "max_tokens" in error["hint"]


async def test_a_prompt_longer_than_the_context_says_how_much_fits(client: Client) -> None:
    error = error_of(await client.call_tool("run_model", {"task": "generate", "prompt": "one two " * 6_000}))
    assert error["code"] == "prompt_too_long"
    assert "8,192" in error["message"]


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "strange"}, "not a valid JSON Schema"),
        ({"type": "string", "maxLength": 1_000_000}, "maxLength"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 5_000}, "maxItems"),
        ({"enum": list(range(501))}, "501 values"),
        ({"$ref": "https://example.com/schema.json"}, "another document"),
        ({"type": "array", "items": {"$ref": "#/$defs/missing"}}, "isn't in it"),
    ],
)
async def test_a_schema_that_makes_no_safe_grammar_is_refused(
    client: Client, schema: dict[str, Any], says: str
) -> None:
    arguments = {"task": "extract", "prompt": "x", "json_schema": schema}
    error = error_of(await client.call_tool("run_model", arguments))
    assert error["code"] == "invalid_input"
    assert says in error["message"]


async def test_a_schema_nested_too_deep_is_refused(client: Client) -> None:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(80):
        schema = {"type": "array", "items": schema}
    arguments = {"task": "extract", "prompt": "x", "json_schema": schema}
    assert "nests deeper" in error_of(await client.call_tool("run_model", arguments))["message"]


async def test_what_is_missing_or_unknown_is_told(client: Client) -> None:
    for arguments, says in (
        ({"task": "generate"}, "no prompt"),
        ({"task": "extract", "prompt": "x"}, "json_schema"),
        ({"task": "generate", "prompt": "x", "sources": ["nothing.pdf"]}, "no table or document named 'nothing.pdf'"),
        ({"task": "generate", "prompt": "x", "model": "gpt"}, "no model named 'gpt'"),
        ({"task": "generate", "prompt": "x", "max_tokens": 10**6}, "at most"),
        ({"task": "generate", "prompt": "x", "sources": ["passenger-handbook.pdf#pages=9"]}, "no page 9"),
    ):
        assert says in error_of(await client.call_tool("run_model", arguments))["message"]


async def test_progress_is_reported_while_tokens_come(client: Client) -> None:
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    arguments = {"task": "generate", "prompt": "Tell a very long story about a tram.", "max_tokens": 300}
    await client.call_tool("run_model", arguments, progress_callback=note)
    assert seen
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


async def test_without_a_model_one_sentence_says_how_to_get_one(cache: Path) -> None:
    async with connect(EXAMPLE_DATA, cache=cache, models={"starter": False, "folder": cache / "none"}) as client:
        error = error_of(await client.call_tool("run_model", {"task": "generate", "prompt": "x"}))
    assert error["code"] == "model_unavailable"
    assert "pip install 'fresh-context[starter]'" in error["hint"]


async def test_without_the_runtime_tables_and_documents_are_served_all_the_same(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_context_resources.models.local_runtime.runtime_installed", lambda: False)
    async with connect(EXAMPLE_DATA, cache=cache) as client:
        error = error_of(await client.call_tool("run_model", {"task": "generate", "prompt": "x"}))
        assert "fresh-context[starter]" in error["hint"]
        assert data_of(await client.call_tool("query_tables", {"sql": "SELECT 1"}))["rows"] == [[1]]
