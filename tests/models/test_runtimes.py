"""Model runtimes: one of another kind takes part as llama.cpp does, from the list of sources to the answer."""

from __future__ import annotations

import array
import math
import time
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError
from mcp_context_resources.models.model_card import ModelCard
from mcp_context_resources.models.spec import Chosen, Embedded, Generated, ModelSpec
from mcp_context_resources.workspace.source import Live, Source
from mcp_server.server import create_server
from mcp_server.services import make_engines, make_workspace
from tests.support.serving import data_of, error_of, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from mcp_context_resources.errors import ContextError
    from mcp_context_resources.models.router import Candidate, Choice
    from mcp_context_resources.models.runtime import ModelRuntime
    from mcp_context_resources.models.spec import Choosing, Generation
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue

pytestmark = pytest.mark.anyio

CORPUS = "the tram to the harbour leaves every ten minutes . the tram is blue . the tram is quick . rain is wet ."


class BigramRuntime:
    """Runs one model that knows which word follows which: it writes the likeliest, and embeds by counting words."""

    format = "bigram"
    in_memory = ""

    def __init__(self, corpus: str) -> None:
        self._followers: dict[str, Counter[str]] = defaultdict(Counter)
        words = corpus.split()
        for word, following in pairwise(words):
            self._followers[word][following] += 1
        self._words = sorted(set(words))
        self._source = Source(
            kind="model",
            name="commuter",
            location=None,
            file="in this process",
            format=self.format,
            version=Live(),
        )
        self._card = ModelCard("Commuter", "bigram", context_length=4_096, languages=("en",), roles=("chat", "embed"))
        self.closed = False

    async def sources(self, catalogue: Catalogue) -> list[Source]:
        del catalogue
        return [self._source]

    async def candidates(self, catalogue: Catalogue) -> list[Candidate]:
        del catalogue
        return [(self._source, self._card)]

    async def card(self, source: Source) -> ModelCard | None:
        return self._card if source == self._source else None

    async def problem(self, catalogue: Catalogue, name: str | None = None) -> ContextError | None:
        del catalogue
        return (
            ModelUnavailableError("commuter-2 is still in training.", "Ask commuter.") if name == "commuter-2" else None
        )

    def identity(self, model: Choice, context_tokens: int, *, embeds: bool) -> str:
        return repr([model.source.name, context_tokens, embeds, self._words])

    def memory_bytes(self, source: Source, card: ModelCard, context_tokens: int) -> int:
        del source, card, context_tokens
        return 8 * sum(len(counts) for counts in self._followers.values())

    async def spec(self, model: Choice, context_tokens: int, *, embeds: bool) -> ModelSpec:
        del embeds
        return ModelSpec(model.source.name, "", "1", context_tokens, 1, 0)

    async def generate(
        self, spec: ModelSpec, requests: Sequence[Generation], *, deadline: float, on_progress: Progress | None = None
    ) -> list[Generated]:
        del deadline, on_progress
        return [self._written(spec, request) for request in requests]

    async def choose(
        self, spec: ModelSpec, request: Choosing, *, deadline: float, on_progress: Progress | None = None
    ) -> Chosen:
        del spec, deadline, on_progress
        rows = []
        for user in request.users:
            counts = [1 + user.lower().split().count(label.lower()) for label in request.labels]
            rows.append(tuple(count / sum(counts) for count in counts))
        return Chosen(tuple(rows), "stop", sum(len(user.split()) for user in request.users), 0.0, "none", "cpu")

    async def embed(
        self,
        spec: ModelSpec,
        texts: Sequence[str],
        *,
        deadline: float,
        unit: bool = True,
        on_progress: Progress | None = None,
    ) -> Embedded:
        del spec, deadline, on_progress
        vectors = array.array("f")
        for text in texts:
            counts = [1.0 + text.lower().split().count(word) for word in self._words]
            length = math.hypot(*counts) if unit else 1.0
            vectors.extend(count / length for count in counts)
        tokens = sum(len(text.split()) for text in texts)
        return Embedded(vectors.tobytes(), len(self._words), "stop", tokens, (), "none", "cpu")

    async def rerank(
        self, spec: ModelSpec, query: str, texts: Sequence[str], *, deadline: float, on_progress: Progress | None = None
    ) -> list[float]:
        del spec, query, texts, deadline, on_progress
        raise InvalidInputError("commuter doesn't rank.", "Name a model that does.")

    async def count_tokens(self, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
        del spec
        return [len(text.split()) for text in texts]

    async def aclose(self) -> None:
        self.closed = True

    def _written(self, spec: ModelSpec, request: Generation) -> Generated:
        started = time.perf_counter()
        prompt = f"{request.system} {request.user}".lower().split()
        word = next((word for word in reversed(prompt) if word in self._followers), "the")
        written: list[str] = []
        while len(written) < request.max_tokens and word != "." and self._followers[word]:
            word = max(self._followers[word].items(), key=lambda follower: (follower[1], follower[0]))[0]
            written.append(word)
        finish: Any = "length" if len(written) == request.max_tokens else "stop"
        seconds = time.perf_counter() - started
        return Generated(
            " ".join(written), finish, len(prompt), len(written), 0.0, 0.0, seconds, spec.context_tokens, "none", "cpu"
        )


@pytest.fixture
def runtime() -> BigramRuntime:
    return BigramRuntime(CORPUS)


@asynccontextmanager
async def serving(folder: Path, cache: Path, runtime: ModelRuntime) -> AsyncIterator[Client]:
    models = {"starter": False, "folder": folder / "none"}
    settings = settings_for(folder, cache=cache, models=models)
    engines = make_engines(settings, make_workspace(settings), model_runtimes=(runtime,))
    async with Client(create_server(settings, engines)) as client:
        yield client


async def test_a_model_of_another_runtime_is_listed_described_and_chosen(
    tmp_path: Path, cache: Path, runtime: BigramRuntime
) -> None:
    async with serving(tmp_path, cache, runtime) as client:
        (source,) = data_of(await client.call_tool("list_sources", {"kind": "model"}))["sources"]
        assert (source["name"], source["format"], source["file"]) == ("commuter", "bigram", "in this process")
        (content,) = (await client.read_resource("model://commuter")).contents
        told = getattr(content, "text", "")
        assert '"architecture":"bigram"' in told.replace(" ", "")
        assert '"memory_bytes"' in told
        prompt = {"task": "generate", "prompt": "Say where the tram", "max_tokens": 3}
        written = data_of(await client.call_tool("run_model", prompt))
        assert (written["model"], written["text"]) == ("commuter", "is wet .")
        assert "only chat model" in written["chosen"]
    assert runtime.closed


@pytest.mark.slow
async def test_rows_are_classified_and_embedded_by_another_runtime(
    tmp_path: Path, cache: Path, runtime: BigramRuntime
) -> None:
    (tmp_path / "notes.csv").write_text("note\nrain rain again\nthe tram is late\n", encoding="utf-8")
    async with serving(tmp_path, cache, runtime) as client:
        rows = {"sql": "SELECT note FROM notes", "column": "note", "model": "commuter"}
        labelled = {"task": "classify", "labels": ["rain", "tram"], "table": "labelled"}
        made = data_of(await client.call_tool("map_rows", rows | labelled))
        assert made["model"] == "commuter"
        counted = await client.call_tool("query_tables", {"sql": "SELECT note, label FROM map_labelled ORDER BY note"})
        assert data_of(counted)["rows"] == [["rain rain again", "rain"], ["the tram is late", "tram"]]
        data_of(await client.call_tool("map_rows", rows | {"task": "embed", "table": "vectors"}))
        nearest = "SELECT note FROM map_vectors ORDER BY cosine_similarity(embedding, embed('rain')) DESC LIMIT 1"
        assert data_of(await client.call_tool("query_tables", {"sql": nearest}))["rows"] == [["rain rain again"]]


async def test_what_another_runtime_says_of_a_model_is_told(
    tmp_path: Path, cache: Path, runtime: BigramRuntime
) -> None:
    async with serving(tmp_path, cache, runtime) as client:
        prompt = {"task": "generate", "prompt": "the tram"}
        training = error_of(await client.call_tool("run_model", prompt | {"model": "commuter-2"}))
        assert training == {**training, "message": "commuter-2 is still in training.", "hint": "Ask commuter."}
        unknown = error_of(await client.call_tool("run_model", prompt | {"model": "ferry"}))
        assert "no model named 'ferry'" in unknown["message"]
