"""Vectorizer: texts get their vectors in the background, and questions theirs before that."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio

from mcp_context_resources.errors import ContextError, InvalidInputError, ModelUnavailableError
from mcp_context_resources.index.spec import compared_by

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from mcp_context_resources.index.feed import Embedder
    from mcp_context_resources.index.spec import EmbeddingInput, Metric
    from mcp_context_resources.index.store import Index
    from mcp_context_resources.index.sync.schedule import Schedule

    Heard = Callable[[int], Awaitable[None]]
    """Hears how many vectors were just put in."""

_TEXTS_AT_ONCE: Final = 16
_TEXTS_TAKEN: Final = 64
_ATTEMPTS: Final = 3


class Vectorizer:
    """Makes the vectors that are missing, a few at a time; a question that comes in between goes first.

    `problem` tells why the last round ended before all were made; empty where it didn't. `made` counts vectors.
    """

    def __init__(self, index: Index, embedder: Embedder, schedule: Schedule, *, enabled: bool, metric: Metric) -> None:
        self._index = index
        self._metric: Metric = metric
        self._embedder = embedder
        self._schedule = schedule
        self._enabled = enabled
        self._asking = 0
        self._nobody_asks = anyio.Event()
        self._filling = anyio.Lock()
        self._failures: Counter[str] = Counter()
        self._hearing: list[Heard] = []
        self._failed_rounds = 0
        self._not_before = 0.0
        self.problem = ""
        self.made = 0

    @property
    def busy(self) -> bool:
        """Whether vectors are being made."""
        return self._filling.locked()

    async def model(self) -> str:
        """Identify the model that embeds and how its vectors are compared; empty without one or with vectors off.

        Raises the models' errors.
        """
        return compared_by(await self._embedder.model(), self._metric) if self._enabled else ""

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Hold back the making of vectors while a question is being answered."""
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._nobody_asks.set()
                self._nobody_asks = anyio.Event()

    async def query(self, text: str) -> bytes:
        """Make the vector of a question. Raises the models' errors."""
        return await self._embedder.query(text)

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float] | None:
        """Tell how well texts answer a question; None where no model can. Raises the models' errors."""
        return await self._embedder.rerank(query, texts)

    @property
    def refused(self) -> int:
        """How many texts the model could not take; each is tried a few times."""
        return len(self._failures)

    async def fill_all(self, heard: Heard | None = None) -> None:
        """Make vectors until there are all, also those another server has taken on: should it die, they are made here.

        Raises the index's errors.
        """
        most, grown_at = -1, time.monotonic()
        while True:
            await self.fill(heard)
            model = "" if self.problem else await self.model()
            size = await self._index.size(model)
            now = time.monotonic()
            if size.vectors > most:
                most, grown_at = size.vectors, now
            if not model or size.chunks - size.vectors <= self.refused or now - grown_at > self._schedule.claimed:
                return
            await anyio.sleep(self._schedule.elsewhere)

    async def fill(self, heard: Heard | None = None, stop: Callable[[], bool] = lambda: False) -> None:
        """Make vectors until none is missing or `stop` tells to, some at least; waits where another call is at it.

        A model that fails ends this with a `problem`; it is not asked again before a pause, which grows. Raises the
        index's errors.
        """
        listeners = [heard] if heard is not None else []
        self._hearing += listeners
        try:
            async with self._filling:
                if time.monotonic() >= self._not_before:
                    await self._fill(stop)
        finally:
            for listener in listeners:
                self._hearing.remove(listener)

    async def _fill(self, stop: Callable[[], bool]) -> None:
        try:
            while await self._some():
                if stop():
                    break
        except _ModelError as failure:
            self._failed_rounds += 1
            self._not_before = time.monotonic() + self._schedule.pause(self._failed_rounds)
            self.problem = str(failure.error)
        else:
            self._failed_rounds, self.problem = 0, ""

    async def _some(self) -> bool:
        """Make some vectors; tell whether there may be more to make."""
        try:
            model = await self.model()
        except ContextError as error:
            raise _ModelError(error) from error
        if not model:
            return False
        passages = await self._index.without_vector(model, _TEXTS_TAKEN)
        passages = [passage for passage in passages if self._failures[passage.digest] < _ATTEMPTS]
        for first in range(0, len(passages), _TEXTS_AT_ONCE):
            while self._asking:
                await self._nobody_asks.wait()
            made, vectors = await self._embed(passages[first : first + _TEXTS_AT_ONCE])
            if made:
                await self._put(model, made, vectors)
            self.made += len(made)
            for heard in list(self._hearing):
                await heard(len(made))
        return bool(passages)

    async def _embed(self, passages: Sequence[EmbeddingInput]) -> tuple[Sequence[EmbeddingInput], bytes]:
        """Embed passages; where that fails, one by one, so that a text no model can take stands alone."""
        try:
            return passages, await self._passages(passages)
        except ContextError as error:
            if isinstance(error, ModelUnavailableError):
                raise _ModelError(error) from error
            together = error
        made: list[EmbeddingInput] = []
        vectors = bytearray()
        failed: list[EmbeddingInput] = []
        for passage in passages:
            try:
                vectors += await self._passages([passage])
                made.append(passage)
                self._failures.pop(passage.digest, None)
            except ContextError:
                failed.append(passage)
                if not made and len(failed) > 1:
                    raise _ModelError(together) from together
        self._failures.update(passage.digest for passage in failed)
        if not made:
            raise _ModelError(together) from together
        return made, bytes(vectors)

    async def _put(self, model: str, passages: Sequence[EmbeddingInput], vectors: bytes) -> None:
        """Put in vectors; where they are refused, one by one, so that a text with a bad one stands alone."""
        try:
            await self._index.put_vectors(model, [passage.digest for passage in passages], vectors)
        except InvalidInputError:
            size = len(vectors) // len(passages)
            for place, passage in enumerate(passages):
                try:
                    await self._index.put_vectors(model, [passage.digest], vectors[place * size : (place + 1) * size])
                except InvalidInputError:
                    self._failures[passage.digest] += 1

    async def _passages(self, passages: Sequence[EmbeddingInput]) -> bytes:
        return await self._embedder.passages([passage.text for passage in passages])


class _ModelError(Exception):
    """The model failed, not a text."""

    def __init__(self, error: ContextError) -> None:
        super().__init__(str(error))
        self.error = error
