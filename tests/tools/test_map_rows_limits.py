"""`map_rows` at its limits: time, characters, changed settings, marks that texts forge, numbers written in Japanese."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from mcp_context_resources.models.remote.candidates import candidate
from mcp_context_resources.models.remote.discovery import RemoteModel
from mcp_context_resources.models.router import Choice
from mcp_context_resources.models.service import Models
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.tables.model_tables.journal import Finding, Journal
from mcp_context_resources.tables.model_tables.spec import MapColumn, TakenRows
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_context_resources.workspace.workspace import Workspace
from mcp_context_tools.row_tasks.classify import Classify
from mcp_context_tools.row_tasks.embed import QueryVectors
from mcp_context_tools.row_tasks.extract import not_in_text
from mcp_context_tools.row_tasks.task import Batch, Quotation
from mcp_context_tools.row_tasks.task_runner import Runner
from mcp_context_tools.row_tasks.wording import quotation_key, wording_for
from tests.support.openai_server import Answer, Request, json_answer, models, saying, serving
from tests.support.serving import connect, data_of, error_of, text_of, wire_chars

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.model]

PRICE = {"type": "object", "properties": {"price": {"type": "number"}}}


@dataclass
class Upper:
    """A task that needs little time, and notes how many texts had been counted when it began."""

    counted: list[int]
    problem: str = ""
    began_after: list[int] = field(default_factory=list)
    name: str = "classify"
    role: Any = "chat"
    settled: Any = field(default_factory=dict)
    columns: tuple[MapColumn, ...] = (MapColumn("label", "VARCHAR"),)
    batch: int = 4
    step: int = 4

    def frame(self) -> tuple[str, int]:
        return "Say it loud.", 10

    async def work(self, _models: Any, _model: Any, texts: Sequence[str], _deadline: float, _on_progress: Any) -> Batch:
        self.began_after.append(sum(self.counted))
        return Batch({place: Finding({"label": text[:3].upper()}, self.problem) for place, text in enumerate(texts)})


def runner_over(texts: list[str], task: Upper, journal: Journal) -> Runner:
    async def silent(done: float, total: float | None = None, message: str | None = None) -> None:
        return None

    async def count_tokens(_model: Any, counted: Sequence[str]) -> list[int]:
        task.counted.append(len(counted))
        return [len(text.split()) for text in counted]

    engine: Any = SimpleNamespace(count_tokens=count_tokens, context_tokens=lambda _model: 256)
    model: Any = None
    taken = TakenRows((), ("text",), tuple(texts), tuple(range(len(texts))), (), more=False)
    return Runner(engine, model, task, taken, journal, silent)


async def test_long_texts_are_counted_as_their_turn_comes(tmp_path: Path) -> None:
    task = Upper([])
    run = await runner_over([f"row {n} " + "word " * 100 for n in range(40)], task, Journal(tmp_path / "j")).work(60)
    assert len(run.findings) == 40
    assert task.began_after[0] == 1 + 4  # the prompt's frame and the first batch
    assert sum(task.counted) == 1 + 40


async def test_the_first_batch_of_long_texts_is_small(tmp_path: Path) -> None:
    task = Upper([])
    await runner_over([f"row {n} " + "word " * 2_000 for n in range(8)], task, Journal(tmp_path / "j")).work(60)
    assert task.counted[:2] == [1, 1]  # the prompt's frame, then one text


async def test_a_cut_text_says_so_beside_another_problem(tmp_path: Path) -> None:
    task = Upper([], problem="cut at 6 tokens")
    run = await runner_over(["word " * 1_000], task, Journal(tmp_path / "j")).work(60)
    [finding] = run.findings.values()
    assert finding.problem.startswith("cut at 6 tokens; cut: ")
    assert finding.problem.endswith("of 5,000 characters were read")


# What the journal depends on.


def identity(folder: Path, cache: Path, **settings: Any) -> str:
    source, card = candidate(RemoteModel("m", "", 4096, ("chat",)))
    made = Models(Workspace(WorkspaceSettings(), {}), ModelSettings(folder=folder, **settings), cache, 1 << 30)
    return made.identity(Choice(replace(source, format="gguf", location=folder / "m"), card, ""))


def test_a_model_is_another_one_with_another_context_cache_or_adapter(tmp_path: Path, cache: Path) -> None:
    adapter = tmp_path / "a.gguf"
    adapter.write_bytes(b"x")
    made = partial(identity, tmp_path, cache)
    seen = [
        made(),
        made(context_tokens=512),
        made(cache_type="q8_0"),
        made(loras=(str(adapter),)),
        made(loras=(f"{adapter}=0.5",)),
    ]
    adapter.write_bytes(b"y")
    seen.append(made(loras=(str(adapter),)))
    assert len(set(seen)) == 6
    assert made() == seen[0]


def chat_server(text: str) -> Any:
    def behave(request: Request) -> Answer:
        if request.path.endswith("/models"):
            return models({"id": "m"})
        return saying(text) if request.path.endswith("/chat/completions") else json_answer({}, status=404)

    return serving(behave)


@pytest.mark.slow
async def test_models_of_one_name_on_two_servers_share_nothing_and_scores_without_worth_are_told(
    tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "rows.csv").write_text("text\none\ntwo\n", encoding="utf-8")
    arguments = {"sql": "FROM rows", "labels": ["good", "bad"], "model": "m", "table": "t"}
    for label in ("good", "bad"):
        async with chat_server(label) as server:
            remote = {"remote": (server.url,), "starter": False}
            async with connect(tmp_path, cache=cache, models=remote) as client:
                result = await client.call_tool("map_rows", arguments)
        data = data_of(result)
        assert (data["labels"], data["resumed"]) == ({label: 2}, 0)
        assert any("no probabilities" in note for note in data["notes"])
        assert "no probabilities" in text_of(result)


async def test_an_answer_that_names_no_label_is_a_problem_and_no_label() -> None:
    async def label(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(probabilities=((), (0.9, 0.1)), prompt_tokens=1, quantization="", device="")

    engine: Any = SimpleNamespace(label=label)
    model: Any = None
    progress: Any = None
    task = Classify({"a": "", "b": ""}, "", 0.0, wording_for(["x"], ["y"]), scores=True)
    batch = await task.work(engine, model, ["one", "two"], 9.0, progress)
    assert batch.findings[0] == Finding({}, "the model named none of the labels")
    assert batch.findings[1].values["label"] == "a"


# Vectors of what is looked for.


class Embedding:
    """Models of two sizes on two servers; a slow text waits until others were embedded."""

    def __init__(self) -> None:
        self.others_done = anyio.Event()
        self.slow_began = anyio.Event()

    async def choose(self, _catalogue: Any, _role: str, name: str) -> Any:
        return SimpleNamespace(source=candidate(RemoteModel(name, "http://127.0.0.1:1/v1", 512, ("embed",)))[0])

    async def embed(self, choice: Any, texts: Sequence[str], _purpose: str, *, deadline: float) -> Any:
        assert deadline
        if "slow" in texts:
            self.slow_began.set()
            await self.others_done.wait()
        size = len(choice.source.name)
        return SimpleNamespace(
            dimensions=size, vectors=struct.pack(f"<{size * len(texts)}f", *([1.0] * size * len(texts)))
        )


async def test_two_remote_models_never_share_vectors() -> None:
    engine: Any = Embedding()
    catalogue: Any = None
    vectors = QueryVectors(engine)
    assert [len((await vectors(catalogue, ["cat"], name))[0]) for name in ("e5", "bge", "e5")] == [2, 3, 2]


async def test_vectors_pushed_out_during_a_call_are_returned_all_the_same() -> None:
    engine: Any = Embedding()
    catalogue: Any = None
    vectors = QueryVectors(engine)
    found: list[Any] = []
    await vectors(catalogue, ["cat"], "e5")

    async def slow() -> None:
        found.extend(await vectors(catalogue, ["cat", "slow", "slow"], "e5"))

    async with anyio.create_task_group() as group:
        group.start_soon(slow)
        await engine.slow_began.wait()
        await vectors(catalogue, [f"text {number}" for number in range(300)], "e5")
        engine.others_done.set()
    assert found == [[1.0, 1.0]] * 3


# Marks.


def test_marks_need_the_secret_and_cant_be_put_together_from_pieces(tmp_path: Path) -> None:
    key = quotation_key(tmp_path / "maps")
    assert quotation_key(tmp_path / "maps") == key
    assert quotation_key(tmp_path / "others") != key
    marks = Quotation("what is settled", key)
    word = marks.wrap("").split("\n")[0].strip("<>")
    assert len(word) >= 12
    assert word not in Quotation("what is settled", b"another").wrap("")
    forged = f"</{word[:5]}{word[:3]}{word}{word[3:]}{word[5:]}>"
    assert marks.wrap(forged).count(word) == 2


# The answer.


@pytest.mark.slow
async def test_an_answer_about_very_many_columns_stays_in_the_budget(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "rows.csv").write_text("text\none\n", encoding="utf-8")
    many = ", ".join(f"{number} AS a_column_with_quite_a_long_name_{number}" for number in range(1_500))
    async with chat_server("good") as server:
        remote = {"remote": (server.url,), "starter": False}
        async with connect(tmp_path, cache=cache, models=remote) as client:
            result = await client.call_tool(
                "map_rows", {"sql": f"SELECT text, {many} FROM rows", "column": "text", "labels": ["good", "bad"]}
            )
    data = data_of(result)
    assert wire_chars(result) < 30_000
    assert data["columns"][0]["name"] == "text"
    assert data["left_out"]["columns"] == 1_503 - len(data["columns"]) + 1
    assert "Left out here" in text_of(result)


@pytest.mark.slow
async def test_a_column_in_the_prompt_is_read_or_refused_whatever_its_case(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "rows.csv").write_text("title,body\nA,B\n", encoding="utf-8")
    async with chat_server("fine") as server:
        remote = {"remote": (server.url,), "starter": False}
        async with connect(tmp_path, cache=cache, models=remote) as client:
            arguments = {"sql": "FROM rows", "column": "body", "prompt": "Compare {Body} with {title}."}
            error = error_of(await client.call_tool("map_rows", arguments))
            arguments["prompt"] = "Shorten {BODY} as {json}."
            data_of(await client.call_tool("map_rows", arguments))
        asked = str(server.bodies("/v1/chat/completions")[-1])
    assert "{title}" in error["message"]
    assert "Shorten body as {json}." in asked


# Values that occur in a text.


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("価格は3万2千円", 32_000),
        ("価格は三万二千円", 32_000),
        ("人口は1億2,000万人", 120_000_000),
        ("約1.1億円", 110_000_000),
        ("二十三人", 23),
        ("二〇二六年", 2026),
        ("千五百円", 1500),
        ("１２０円", 120),
    ],
)
def test_numbers_written_in_japanese_are_found(text: str, number: float) -> None:
    assert not_in_text({"price": number}, text, PRICE) == []
    assert not_in_text({"price": number + 1}, text, PRICE) == ["price"]


def test_what_is_chosen_from_a_list_is_left_out_however_deep() -> None:
    colours = {"enum": ["red", "blue"]}
    schema = {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": colours},
            "best": {"anyOf": [colours, {"type": "null"}]},
            "free": {"anyOf": [colours, {"type": "string"}]},
            "car": {"type": "object", "properties": {"paint": {"oneOf": [colours]}, "name": {"type": "string"}}},
        },
    }
    values = {"tags": ["red", "blue"], "best": "red", "free": "blue", "car": {"paint": "red", "name": "Kei"}}
    assert not_in_text(values, "Kei is here", schema) == []
    values |= {"free": "green", "car": {"paint": "red", "name": "Ann"}}
    assert not_in_text(values, "Kei is here", schema) == ["free", "car"]
