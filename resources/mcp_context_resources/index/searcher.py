"""Searcher: what a search needs is read first, and only what is on disk now answers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import anyio

from mcp_context_resources.errors import ContextError, InvalidInputError
from mcp_context_resources.index import notes
from mcp_context_resources.index.request import BuildState, SearchResults
from mcp_context_resources.index.source_selection import SourceSelection
from mcp_context_resources.index.spec import IndexAnswer, IndexQuery, IndexSize
from mcp_context_resources.index.sync.source_listing import still_current
from mcp_context_resources.index.sync.synchronizer import with_background

if TYPE_CHECKING:
    from collections.abc import Collection

    from mcp_context_resources.index.request import Progress, SearchRequest
    from mcp_context_resources.index.settings import IndexSettings
    from mcp_context_resources.index.spec import Hit, IndexedSource, SearchMode
    from mcp_context_resources.index.store import Index
    from mcp_context_resources.index.sync.source_listing import Listing
    from mcp_context_resources.index.sync.synchronizer import Synchronizer
    from mcp_context_resources.index.sync.vectorizer import Vectorizer

_log = logging.getLogger(__name__)

_RERANKED: Final = 20
_LEFT_OUT: Final = 10
_FEW: Final = 100
_SHOWN_PROBLEMS: Final = 20
_SIZE_SECONDS: Final = 5.0
_REBUILDS: Final = 3
_NO_MODEL: Final = "There is no embedding model, so the search is by words alone."


@dataclass(slots=True)
class _Question:
    """A question's vector and the model that made it, and what to tell of that."""

    vector: bytes = b""
    model: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    answer: IndexAnswer
    mode: SearchMode
    changed: tuple[str, ...]
    searched: int
    note: str = ""
    lost: bool = False


class Searcher:
    """Answers searches from an index that is kept in step by a synchronizer."""

    def __init__(self, index: Index, synchronizer: Synchronizer, vectors: Vectorizer, settings: IndexSettings) -> None:
        self._index = index
        self._synchronizer = synchronizer
        self._vectors = vectors
        self._settings = settings
        self._size: tuple[object, float, IndexSize] | None = None
        self._told: set[str] = set()

    async def search(self, request: SearchRequest, report: Progress | None) -> tuple[SearchResults, Listing]:
        """Answer a request; returns what was on disk at that moment, too."""
        listing, selection = await self._synchronizer.listing(), SourceSelection(request)
        selection.of(listing)  # a name that isn't there is told before anything is read
        ends = time.monotonic() + self._settings.wait_seconds
        question = _Question()
        waited: set[str] = set()

        async def update() -> Listing:
            return await self._synchronizer.update(
                listing,
                selection.of,
                few=bool(request.names) or (request.filtered and len(selection.of(listing)) <= _FEW),
                seconds=max(0.0, ends - time.monotonic()),
                report=report,
                waited=waited,
            )

        async def understand() -> None:
            await self._understand(request, question)

        with self._vectors.asking():
            await self._synchronizer.ledger.refresh(float("inf"))
            listing = await with_background(update, understand, stop=False)
            found = await self._find(request, question, listing, selection.of(listing), waited)
            if found.lost or found.changed:
                self._synchronizer.ledger.expire()
                listing = await self._synchronizer.listing()
                for _ in range(_REBUILDS if found.lost else 1):
                    if found.lost:
                        self._synchronizer.reset()
                    await self._synchronizer.ledger.refresh()
                    listing = await update()
                    if self._synchronizer.builder.error is None:
                        break
                self._size = None
                found = await self._find(request, question, listing, selection.of(listing), waited)
            answer, rerank_note = await self._reranked(request, found.answer)
        extra = [note for note in (question.note, found.note, rerank_note) if note]
        found = replace(found, answer=answer)
        return await self._results(found, listing, selection.of(listing), question.model, extra), listing

    async def state(self, listing: Listing) -> BuildState:
        """Tell how far the index is. Raises the index's errors."""
        try:
            model = await self._vectors.model()
        except ContextError:
            model = ""
        return self._state(listing, await self._index.size(model))

    def _state(self, listing: Listing, size: IndexSize) -> BuildState:
        states = self._synchronizer.ledger.compare(listing.all())
        builder = self._synchronizer.builder
        stuck = [(source.name, problem) for source in states.missing if (problem := builder.problem(source))]
        broken = [(entry.source.name, entry.problem) for entry in states.broken]
        unreadable = [f"{name}: {problem}" for name, problem in (*broken, *stuck)[:_SHOWN_PROBLEMS]]
        return BuildState(
            sources_total=len(listing),
            sources_ready=states.ready,
            vectors_ready=size.vectors,
            chunks=size.chunks,
            building=self._synchronizer.building or self._vectors.busy,
            sources_unreadable=len(broken) + len(stuck),
            problems=tuple(unreadable),
            bytes=size.bytes,
            notes=(
                *notes.about_limits(listing.limits),
                *size.notes,
                *((self._vectors.problem,) if self._vectors.problem else ()),
            ),
        )

    async def _understand(self, request: SearchRequest, question: _Question) -> None:
        """Make the vector of a question, where that is any use; what goes wrong there is only noted."""
        if request.mode == "lexical" or self._settings.vectors == "off" or not request.text.strip():
            return
        try:
            with anyio.fail_after(self._settings.deadline_seconds):
                question.model = await self._vectors.model()
                if not question.model:
                    question.note = _NO_MODEL
                elif (await self._sized(question.model)).vectors:
                    question.vector = await self._vectors.query(request.text)
                else:
                    question.note = "No vectors are made yet by the present model, so the search is by words alone."
        except ContextError as error:
            question.note = f"The search is by words alone: {error}"
        except TimeoutError:
            question.note = "The search is by words alone: the embedding model took too long."
        except Exception:  # noqa: BLE001 - a fault of a model must not end the search
            _log.exception("the question couldn't be embedded")
            question.note = "The search is by words alone: the embedding model failed; the server's log has details."

    async def _sized(self, model: str) -> IndexSize:
        now, asked = time.monotonic(), (model, self._vectors.made, self._synchronizer.ledger.complete)
        if self._size is None or self._size[0] != asked or now - self._size[1] > _SIZE_SECONDS:
            self._size = (asked, now, await self._index.size(model))
        return self._size[2]

    async def _find(
        self,
        request: SearchRequest,
        question: _Question,
        listing: Listing,
        selected: list[IndexedSource],
        waited: Collection[str],
    ) -> _Found:
        """Ask the index, and leave out what is no longer as it was listed."""
        states = self._synchronizer.ledger.compare(selected)
        if not states.ready:
            return _Found(IndexAnswer((), 0, (), 0, 0), "lexical", (), 0)
        expected = self._synchronizer.ledger.chunks(selected)
        others = self._synchronizer.ledger.complete - states.ready - len(states.broken)
        everything = not request.filtered and not others
        mode: SearchMode = request.mode if question.vector else "lexical"
        query = IndexQuery(
            request.text,
            most=request.most,
            per_source=request.per_source,
            vector=question.vector,
            model=question.model if question.vector else "",
            mode=mode,
            sources=None if everything else states.ready_keys(),
            marked=request.marked,
            fresh=tuple(waited),
        )
        note = ""
        try:
            answer = await self._index.search(query, deadline=self._settings.deadline_seconds)
        except InvalidInputError as error:  # such as a vector of another length than those in the index
            if not question.vector:
                raise
            note, mode = f"The search is by words alone: {error}", "lexical"
            query = replace(query, vector=b"", model="", mode=mode)
            answer = await self._index.search(query, deadline=self._settings.deadline_seconds)
        replaced = self._synchronizer.ledger.replaced(answer.identity)
        if replaced:
            self._told.clear()
        same = await still_current(listing, {hit.source.key: hit.source for hit in answer.hits}.values())
        hits = tuple(hit for hit in answer.hits if hit.source.key in same and listing.is_current(hit.source))
        kept = {hit.source.key for hit in hits}
        changed = {hit.source.key: hit.source.name for hit in answer.hits if hit.source.key not in kept}
        lost = replaced or answer.chunks < expected
        return _Found(replace(answer, hits=hits), mode, tuple(changed.values()), states.ready, note, lost)

    async def _reranked(self, request: SearchRequest, answer: IndexAnswer) -> tuple[IndexAnswer, str]:
        """Let a model that can sort the best hits; each takes over the score of the place it gets."""
        best = answer.hits[:_RERANKED]
        if self._settings.rerank == "off" or request.mode == "lexical" or len(best) < 2:
            return answer, ""
        try:
            with anyio.fail_after(self._settings.deadline_seconds):
                scores = await self._vectors.rerank(request.text, [hit.chunk.text for hit in best])
        except ContextError as error:
            return answer, f"The best hits weren't sorted by the reranking model: {error}"
        except TimeoutError:
            return answer, "The best hits weren't sorted by the reranking model: it took too long."
        except Exception:  # noqa: BLE001 - as above
            _log.exception("the hits couldn't be reranked")
            return answer, "The best hits weren't sorted by the reranking model: it failed."
        if scores is None:
            return answer, ""
        order = sorted(range(len(best)), key=lambda place: (-scores[place], place))
        ranked: list[Hit] = [replace(best[place], score=hit.score) for hit, place in zip(best, order, strict=True)]
        return replace(answer, hits=(*ranked, *answer.hits[_RERANKED:])), ""

    async def _results(
        self, found: _Found, listing: Listing, selected: list[IndexedSource], model: str, extra: list[str]
    ) -> SearchResults:
        builder = self._synchronizer.builder
        states = self._synchronizer.ledger.compare(selected)
        stuck = {source.name: problem for source in states.missing if (problem := builder.problem(source))}
        waiting = [source.name for source in states.missing if source.name not in stuck]
        unreadable = [*((entry.source.name, entry.problem) for entry in states.broken), *stuck.items()]
        size = await self._sized(model)
        # Where nothing is found, it may stand in what couldn't be read of a source.
        shown = list({hit.source.key: hit.source for hit in found.answer.hits}.values()) or selected
        told = [
            *notes.about_missing(waiting, len(selected)),
            *notes.about_index_lag(found.answer.index_lag),
            *notes.about_words(found.answer.problem),
            *notes.about_missing_index(builder.error),
            *notes.about_changed(found.changed),
            *notes.about_broken(unreadable),
            *(f"{error}" for error in listing.errors),
            *notes.about_limits(listing.limits),
            *extra,
            *(notes.about_vectors(found.answer, self._vectors.problem) if found.mode != "lexical" else ()),
            *notes.about_sources([(source.name, note) for source, note in self._synchronizer.ledger.notes(shown)]),
            *(note for note in size.notes if note not in self._told),
        ]
        self._told.update(size.notes)
        left_out = dict.fromkeys([*waiting, *found.changed, *(name for name, _ in unreadable)])
        return SearchResults(
            answer=found.answer,
            mode=found.mode,
            state=self._state(listing, size),
            left_out=tuple(left_out)[:_LEFT_OUT],
            notes=tuple(told),
            searched=found.searched,
            reading=len({*waiting, *found.changed}),
        )
