"""Models in their own processes: lazy, confined, stopped in time, killed without harm, taken out of memory."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import psutil
import pytest

from mcp_context_resources.errors import ConfigurationError, ContextError, InvalidInputError
from mcp_context_resources.models.formats import MODEL_FORMATS
from mcp_context_resources.models.service import Models
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.models.spec import Choosing
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_context_resources.workspace.workspace import Workspace
from tests.support.model_engine import STARTER, asking
from tests.support.model_files import adapter, chat_model, loadable_reranker
from tests.support.serving import EXAMPLE_DATA, connect, data_of, error_of, text_of
from tests.support.vision_model import write_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.client.client import Client

pytestmark = [pytest.mark.anyio, pytest.mark.model, pytest.mark.slow]

REFERENCE = Path(__file__).parents[1] / "data" / "e5_small_vectors.json"
TRAM = {"const": "tram"}
NUMBERS = {"type": "array", "items": {"type": "integer"}, "minItems": 1_000}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny.gguf")


def only(path: Path, **more: Any) -> dict[str, Any]:
    """Settings with one model."""
    return {"files": (path,), "starter": False, **more}


@pytest.fixture(scope="module")
async def client(tiny: Path, cache: Path) -> AsyncIterator[Client]:
    async with connect(EXAMPLE_DATA, cache=cache, models=only(tiny)) as connected:
        yield connected


def fixed(value: str) -> dict[str, Any]:
    return {"task": "extract", "prompt": "x", "json_schema": {"const": value}, "max_tokens": 60}


async def answer(client: Client, value: str = "tram") -> Any:
    return data_of(await client.call_tool("run_model", fixed(value)))["json"]


async def answer_some_time(client: Client) -> Any:
    """Ask until the answer comes within a short deadline: on a busy machine the first ones may not."""
    for _ in range(20):
        if not (result := await client.call_tool("run_model", fixed("tram"))).is_error:
            return data_of(result)["json"]
    return None


def holders(path: Path) -> list[psutil.Process]:
    """Return the processes of this test that have a file in memory."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any(mapped.path == str(path) for mapped in process.memory_maps()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


# Time


async def test_the_deadline_ends_the_reading_of_a_long_prompt_and_says_so(cache: Path) -> None:
    arguments: dict[str, Any] = {"task": "generate", "prompt": "Name a tram.", "max_tokens": 1}
    async with connect(EXAMPLE_DATA, cache=cache, models={"deadline_seconds": 4.0}) as client:
        await client.call_tool("run_model", arguments)  # loads the model, so that the deadline falls on reading
        long = {"task": "generate", "prompt": "one two three " * 2_300, "max_tokens": 1_000}
        result = await client.call_tool("run_model", long)
        data = data_of(result)
        assert (data["finish"], data["truncated"]) == ("deadline", True)
        assert "Cut (deadline): raise models.deadline_seconds" in text_of(result)
        assert data_of(await client.call_tool("run_model", arguments))["completion_tokens"] == 1


async def test_json_that_the_deadline_cut_is_an_error(tiny: Path, cache: Path) -> None:
    arguments = {"task": "extract", "prompt": "x", "json_schema": NUMBERS, "max_tokens": 3_700}
    async with connect(EXAMPLE_DATA, cache=cache, models=only(tiny, deadline_seconds=0.3, max_tokens=4_000)) as client:
        assert await answer_some_time(client) == "tram"
        error = error_of(await client.call_tool("run_model", arguments))
        assert "not finished" in error["message"]
        assert "(deadline)" in error["message"]
        assert "models.deadline_seconds" in error["hint"]
        assert await answer_some_time(client) == "tram"


@pytest.mark.parametrize("prompt", ["one two three " * 1_500, "Tell a very long story about a tram."])
async def test_a_cancelled_call_frees_the_model(cache: Path, prompt: str) -> None:
    running = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        running.set()

    async with connect(EXAMPLE_DATA, cache=cache) as client:
        arguments = {"task": "generate", "prompt": prompt, "max_tokens": 2_000}
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: client.call_tool("run_model", arguments, progress_callback=note))
            await running.wait()
            group.cancel_scope.cancel()
        assert await answer(client) == "tram"


async def test_calls_at_once_are_answered_one_after_the_other(client: Client) -> None:
    answers: dict[str, Any] = {}

    async def ask(value: str) -> None:
        answers[value] = await answer(client, value)

    async with anyio.create_task_group() as group:
        for value in ("harbour", "depot", "museum", "駅"):
            group.start_soon(ask, value)
    assert answers == {value: value for value in ("harbour", "depot", "museum", "駅")}


# Processes


async def test_a_killed_process_is_told_and_replaced(tmp_path: Path, cache: Path) -> None:
    tiny = write_model(tmp_path / "tiny.gguf")
    killed: list[int] = []

    async def kill(progress: float, total: float | None, message: str | None) -> None:
        for process in holders(tiny) if not killed else ():
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)

    arguments = {"task": "extract", "prompt": "x", "json_schema": NUMBERS, "max_tokens": 3_700}
    async with connect(EXAMPLE_DATA, cache=cache, models=only(tiny, max_tokens=4_000)) as client:
        error = error_of(await client.call_tool("run_model", arguments, progress_callback=kill))
        assert killed
        assert error["code"] in {"out_of_memory", "worker_crashed"}
        assert "model worker" in error["message"]
        assert await answer(client) == "tram"
        assert killed[0] not in {process.pid for process in holders(tiny)}


async def test_an_idle_model_leaves_memory_and_comes_back(tmp_path: Path, cache: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf")
    async with connect(EXAMPLE_DATA, cache=cache, models=only(path, idle_seconds=0.5)) as client:
        for _ in range(2):
            assert await answer(client) == "tram"
            with anyio.fail_after(30):
                while holders(path):
                    await anyio.sleep(0.02)


async def test_a_model_stays_in_memory_between_calls(client: Client, tiny: Path) -> None:
    await answer(client)
    before = [process.pid for process in holders(tiny)]
    await answer(client)
    assert before
    assert [process.pid for process in holders(tiny)] == before


# Memory


async def test_a_context_that_does_not_fit_names_the_largest_that_does(cache: Path) -> None:
    arguments = {"task": "generate", "prompt": "x", "max_tokens": 1}
    limit = {"worker_memory_mb": 400}
    async with connect(EXAMPLE_DATA, cache=cache, models=limit) as client:
        error = error_of(await client.call_tool("run_model", arguments))
    assert error["code"] == "out_of_memory"
    found = re.search(r"largest context that fits is ([\d,]+) tokens", error["message"])
    assert found is not None
    fitting = int(found[1].replace(",", ""))
    assert 256 <= fitting < 8_192
    assert f"models.context_tokens to {fitting:,} or less" in error["hint"]
    async with connect(EXAMPLE_DATA, cache=cache, models=limit | {"context_tokens": fitting}) as client:
        assert data_of(await client.call_tool("run_model", arguments))["completion_tokens"] == 1


@pytest.mark.parametrize("cache_type", ["q8_0", "q4_0"])
async def test_a_smaller_cache_is_used_when_set(tiny: Path, cache: Path, cache_type: str) -> None:
    async with connect(EXAMPLE_DATA, cache=cache, models=only(STARTER, cache_type=cache_type)) as client:
        assert await answer(client) == "tram"
    # The heads of the random model have 16 numbers, fewer than a block of a quantized cache.
    async with connect(EXAMPLE_DATA, cache=cache, models=only(tiny, cache_type=cache_type)) as client:
        error = error_of(await client.call_tool("run_model", fixed("x")))
        assert "tiny.gguf" in error["message"]


# Files that are no models


def _cut_starter() -> bytes:
    with STARTER.open("rb") as file:
        return file.read(3_000_000)


BROKEN: dict[str, Any] = {
    "cut.gguf": _cut_starter,
    "page.gguf": lambda: b"<!DOCTYPE html><html><body>Sign in to download</body></html>",
    "strange.gguf": lambda: chat_model(general__architecture="marsupial"),
    "hollow.gguf": chat_model,
    "nothing.gguf": lambda: b"",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("in_root", [True, False])
async def test_a_file_that_is_no_model_is_told_and_the_server_lives(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path, name: str, in_root: bool
) -> None:
    path = (tmp_path if in_root else tmp_path_factory.mktemp("elsewhere")) / name
    path.write_bytes(BROKEN[name]())
    models = {"files": () if in_root else (path,), "starter": False}
    async with connect(tmp_path, cache=cache, models=models) as client:
        error = error_of(await client.call_tool("run_model", {"task": "generate", "prompt": "x", "model": name}))
        assert error["code"] in {"model_unavailable", "unreadable_source", "invalid_input"}
        assert name in error["message"]
        assert str(path.parent) not in error["message"]
        assert data_of(await client.call_tool("query_tables", {"sql": "SELECT 1"}))["rows"] == [[1]]


async def test_an_adapter_that_is_missing_or_does_not_fit_is_told(tmp_path: Path, cache: Path, tiny: Path) -> None:
    with pytest.raises(ConfigurationError, match="no LoRA adapter"):
        async with connect(tmp_path, cache=cache, models=only(tiny, loras=(f"{tmp_path}/none.gguf=0.5",))):
            pass
    (tmp_path / "other.gguf").write_bytes(adapter())
    async with connect(tmp_path, cache=cache, models=only(tiny, loras=(f"{tmp_path}/other.gguf",))) as client:
        error = error_of(await client.call_tool("run_model", {"task": "generate", "prompt": "x", "model": "tiny.gguf"}))
    assert error["code"] == "model_unavailable"
    assert "other.gguf" in error["message"]


# The service: vectors, ranks, labels, counts


@asynccontextmanager
async def service(cache: Path, *roots: Path, **settings: Any) -> AsyncIterator[tuple[Models, Workspace]]:
    workspace = Workspace(WorkspaceSettings(roots=roots), {"model": MODEL_FORMATS})
    models = Models(workspace, ModelSettings(**settings), cache, 1 << 30)
    try:
        yield models, workspace
    finally:
        await models.aclose()


@pytest.fixture(scope="module")
async def starter(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Models, Workspace]]:
    async with service(cache, tmp_path_factory.mktemp("empty")) as served:
        yield served


async def vectors(served: tuple[Models, Workspace], *texts: str, purpose: Any = "passage") -> np.ndarray[Any, Any]:
    models, workspace = served
    choice = await models.choose(workspace.catalogue(), "embed")
    made = await models.embed(choice, texts, purpose)
    assert made.finish == "stop"
    return np.frombuffer(made.vectors, "<f4").reshape(len(texts), made.dimensions)


async def test_the_starter_embeds_as_the_reference_does(starter: tuple[Models, Workspace]) -> None:
    for known in json.loads(REFERENCE.read_text(encoding="utf-8")):
        [vector] = await vectors(starter, known["text"], purpose=known["purpose"])
        expected = np.array(known["vector"])
        assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)
        assert float(vector @ expected) / float(np.linalg.norm(expected)) > 0.999, known["text"]


async def test_width_and_space_around_a_text_do_not_move_its_vector(starter: tuple[Models, Workspace]) -> None:
    clean, *others = await vectors(
        starter, "テスト 123 ABC", "テスト 123 ABC\n", " テスト 123 ABC", "ﾃｽﾄ　１２３ ＡＢＣ", "テスト 124 ABC"
    )
    for same in others[:3]:
        assert float(clean @ same) == pytest.approx(1.0, abs=1e-5)
    assert float(clean @ others[3]) < 0.9999


async def test_a_question_lies_nearest_to_its_answer_in_the_other_language(starter: tuple[Models, Workspace]) -> None:
    passages = ["遺失物は三十日間保管されます。", "運賃は大人250円です。", "Dogs must be kept on a lead."]
    [query] = await vectors(starter, "How long is lost property kept?", purpose="query")
    nearness = await vectors(starter, *passages) @ query
    assert int(nearness.argmax()) == 0
    [passage] = await vectors(starter, "How long is lost property kept?")
    assert float(passage @ query) < 0.9999  # a query is marked otherwise than a passage


async def test_a_text_longer_than_the_embedder_reads_is_cut_and_told(starter: tuple[Models, Workspace]) -> None:
    models, workspace = starter
    choice = await models.choose(workspace.catalogue(), "embed")
    made = await models.embed(choice, ["short", "tram " * 3_000, "", "tram " * 3_000 + "harbour"], "passage")
    assert made.cut == (1, 3)
    assert made.tokens < 3 * 512
    found = np.frombuffer(made.vectors, "<f4").reshape(4, -1)
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(found[3], abs=1e-6)


async def test_vectors_stop_at_the_deadline(starter: tuple[Models, Workspace]) -> None:
    models, workspace = starter
    choice = await models.choose(workspace.catalogue(), "embed")
    made = await models.embed(choice, ["tram stop by the harbour " * 90] * 2_000, "passage", deadline=1.0)
    assert made.finish == "deadline"
    assert len(made.vectors) % (4 * made.dimensions) == 0
    assert len(made.vectors) < 2_000 * 4 * made.dimensions


async def test_passages_are_ranked_in_a_process_of_their_own(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "ranker.gguf").write_bytes(loadable_reranker())
    async with service(cache, tmp_path, starter=False) as (models, workspace):
        choice = await models.choose(workspace.catalogue(), "rerank")
        scores = await models.rerank(choice, "tram fare", ["tram fare", "rain", ""])
        assert len(scores) == 3
        assert len(set(scores)) > 1
        with pytest.raises(ContextError):
            await models.rerank(choice, "tram", ["tram " * 100] * 20_000, deadline=0.5)
        assert await models.rerank(choice, "tram fare", ["tram fare", "rain", ""]) == pytest.approx(scores, abs=1e-4)


async def test_labels_and_counts_come_from_the_process_too(starter: tuple[Models, Workspace]) -> None:
    models, workspace = starter
    choice = await models.choose(workspace.catalogue(), "chat")
    request = Choosing(
        "Is it about a river or about a railway?", ("The tram is late.", "水が多い。"), ("river", "railway")
    )
    found = await models.label(choice, request)
    assert [sum(row) for row in found.probabilities] == pytest.approx([1.0, 1.0])
    assert found.probabilities[0] != found.probabilities[1]
    counts = await models.count_tokens(choice, ["", "tram", "tram tram tram", "路面電車"])
    assert counts[0] == 0
    assert 0 < counts[1] < counts[2]
    assert await models.count_tokens(choice, []) == []


async def test_a_bad_schema_is_refused_before_the_model_is_asked(starter: tuple[Models, Workspace]) -> None:
    models, workspace = starter
    choice = await models.choose(workspace.catalogue(), "chat")
    with pytest.raises(InvalidInputError, match="not a valid JSON Schema"):
        await models.generate(choice, [asking("x", json_schema={"type": "strange"})])


async def test_a_picture_for_a_model_without_eyes_is_refused(starter: tuple[Models, Workspace]) -> None:
    models, workspace = starter
    choice = await models.choose(workspace.catalogue(), "chat")
    pixel = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    with pytest.raises(ContextError):
        await models.generate(choice, [asking("x", pictures=(pixel,))])
