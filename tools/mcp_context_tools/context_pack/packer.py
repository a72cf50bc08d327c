"""Packer: a question in, a pack out, searched, read, chosen and written within a number of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
import anyio.to_thread

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.index.request import SearchRequest
from mcp_context_resources.provenance import now_text
from mcp_context_tools.context_pack.excerpts import read_excerpts
from mcp_context_tools.context_pack.pack_text import Frame, by_reason, label, secret_word, write
from mcp_context_tools.context_pack.pruning import (
    LESS_TO_DO,
    NOT_SEARCHED,
    answered_only,
    choose,
    near_best,
    weigh,
    without_last,
)
from mcp_context_tools.context_pack.spec import Gathered, Pack
from mcp_context_tools.context_pack.tables import read_tables
from mcp_context_tools.context_pack.token_counter import token_counter
from mcp_context_tools.rendering import cost
from mcp_context_tools.search_hits.paging import folded
from mcp_context_tools.search_hits.search_notes import how_searched, what_else
from mcp_context_tools.text_cutting import cut_whole

if TYPE_CHECKING:
    from mcp_context_resources.index.request import SearchResults
    from mcp_context_tools.context_pack.pack_text import Tail
    from mcp_context_tools.context_pack.pruning import Taken
    from mcp_context_tools.context_pack.spec import Block, Piece
    from mcp_context_tools.context_pack.token_counter import TokenCounter
    from mcp_context_tools.tool import PrivateValues, Report, Services


_TAILS: Final[tuple[tuple[int, Tail], ...]] = ((1000, "all"), (400, "brief"), (200, "read"), (0, "none"))
_HITS: Final = 80
_OF_ONE_SOURCE: Final = 20
_TOKENS_A_HIT: Final = 25
_LEAST_HITS: Final = 12
_TEXT_KEPT: Final = 0.8
_LEAST_CHARS: Final = 12
_CUT: Final = " …"


@dataclass(frozen=True, slots=True)
class PackRequest:
    """What a pack is to be about: at most `max_tokens` of text, from all sources or from those named.

    `max_chars` is what text and data may have together.
    """

    question: str
    max_tokens: int
    max_chars: int
    sources: tuple[str, ...] = ()
    kinds: tuple[Literal["document", "table"], ...] = ()


async def pack_context(services: Services, wanted: PackRequest, report: Report) -> Pack:
    """Make a pack for a question.

    Raises `InvalidInputError` for a blank question, `NotFoundError` for a source that isn't there, and the index's
    errors.
    """
    if not wanted.question.strip():
        raise InvalidInputError("There is no question.", "Say what you want to know.")
    request = SearchRequest(
        wanted.question,
        most=max(_LEAST_HITS, min(_HITS, wanted.max_tokens // _TOKENS_A_HIT)),
        per_source=_OF_ONE_SOURCE,
        names=wanted.sources,
        kind=wanted.kinds[0] if len(set(wanted.kinds)) == 1 else "",
    )
    results = await services.index.search(request, on_progress=report)
    gathered = Gathered(notes=list(results.notes))
    gathered.missing |= dict.fromkeys(results.left_out, NOT_SEARCHED)
    near = near_best(results.answer.hits)
    gathered.missing |= {
        hit.source.name: LESS_TO_DO
        for hit in results.answer.hits[len(near) :]
        if hit.source.key not in {kept.source.key for kept in near}
    }
    ranked = list(enumerate(await anyio.to_thread.run_sync(folded, near)))
    async with anyio.create_task_group() as group:
        documents = [one for one in ranked if one[1].hit.chunk.page is not None]
        tables = [one for one in ranked if one[1].hit.chunk.page is None]
        group.start_soon(read_excerpts, services, documents, gathered)
        group.start_soon(read_tables, services, wanted.question, tables, gathered)
    gathered.blocks.sort(key=lambda block: (block.rank, block.source.key, block.page or 0))
    await report(1, 2, "read the best passages")
    answered_only(gathered)
    await anyio.to_thread.run_sync(weigh, wanted.question, gathered.blocks)
    texts = [piece.text for block in gathered.blocks for piece in block.pieces]
    counter = await token_counter(services, wanted.question, "\n".join(texts[:20]))
    return await Packing(wanted, results, gathered, counter, services.private).packed(request)


class Packing:
    """Fits what was gathered into the room there is."""

    def __init__(
        self,
        wanted: PackRequest,
        results: SearchResults,
        gathered: Gathered,
        counter: TokenCounter,
        private: PrivateValues | None = None,
    ) -> None:
        self._wanted = wanted
        self._private = private
        self._results = results
        self._blocks = gathered.blocks
        self._missing = gathered.missing
        self._counter = counter
        texts = (piece.text for block in gathered.blocks for piece in block.pieces)
        self._frame = Frame(
            secret_word(texts),
            how_searched(results),
            gathered.notes,
            gathered.missing,
            tail=next(tail for least, tail in _TAILS if wanted.max_tokens >= least),
        )

    async def packed(self, request: SearchRequest) -> Pack:
        """Return the pack."""
        pieces = [piece for block in self._blocks for piece in block.pieces]
        if not pieces:
            return await self._nothing(request)
        costs = dict(zip(pieces, await self._counter.count([piece.text for piece in pieces]), strict=True))
        labels = await self._counter.count([self._opening(block) for block in self._blocks])
        opening = dict(zip(self._blocks, labels, strict=True))
        empty, _ = write({}, self._blocks, self._frame)
        room = self._wanted.max_tokens - (await self._counter.count([empty]))[0]
        taken = choose(self._blocks, costs, opening.__getitem__, room)
        return await self._fitted(taken, costs)

    def _opening(self, block: Block) -> str:
        """Return what is written of a block besides its pieces."""
        return f"«{self._frame.word}» {label(block, block.pieces, dated=self._frame.tail != 'none')}\n"

    async def _fitted(self, taken: Taken, costs: dict[Piece, int]) -> Pack:
        """Write what was chosen, and leave out more until it fits in both its measures."""
        wanted = self._wanted
        while True:
            text, content = write(taken, self._blocks, self._frame)
            tokens = (await self._counter.count([text]))[0]
            data = self._told(content, tokens)
            over_chars = cost(text, data) - wanted.max_chars
            over = max(tokens - wanted.max_tokens, -(-over_chars * tokens // max(1, 2 * len(text))))
            if over <= 0:
                return Pack(text, data, tokens, self._results.mode, found=True)
            if over_chars > 0:
                self._note(f"Cut to fit an answer of {wanted.max_chars:,} characters.")
            if len(taken) > 1:
                taken = without_last(taken, costs, over)
            elif self._frame.tail != "none":
                self._frame.tail = "none"
            elif not _shorten(next(iter(taken)), self._private):
                return self._too_small()

    def _told(self, content: dict[str, Any], tokens: int) -> dict[str, Any]:
        return content | {
            "tokens": tokens,
            "max_tokens": self._wanted.max_tokens,
            "counted_by": self._counter.name,
            "mode": self._results.mode,
            "searched": self._results.searched,
        }

    def _note(self, note: str) -> None:
        if note not in self._frame.notes:
            self._frame.notes.append(note)

    async def _nothing(self, request: SearchRequest) -> Pack:
        """Say that nothing was found, and what can be done."""
        missing = [f"Not read: {by_reason(self._missing, self._unnamed(request))}."] if self._missing else []
        first = what_else(self._results, request)
        lines = [first]
        for line in [self._frame.searched, *self._frame.notes, *missing, f"As of {now_text()}."]:
            if (await self._counter.count(["\n".join([*lines, line])]))[0] <= self._wanted.max_tokens:
                lines.append(line)
        text = "\n".join(lines)
        content: dict[str, Any] = {"passages": [], "tables": [], "hint": first, "sources": [], "truncated": False}
        if self._missing:
            content["left_out"] = [{"source": name, "why": why} for name, why in self._missing.items()]
        if self._frame.notes:
            content["notes"] = self._frame.notes
        tokens = (await self._counter.count([text]))[0]
        return Pack(text, self._told(content, tokens), tokens, self._results.mode, found=False)

    def _unnamed(self, request: SearchRequest) -> dict[str, int]:
        """Count the sources that could not be searched and are not named, where that is known."""
        results = self._results
        if request.filtered or not results.left_out:
            return {}
        return {NOT_SEARCHED: max(0, results.state.sources_total - results.searched - len(results.left_out))}

    def _too_small(self) -> Pack:
        text = "The best passage doesn't fit: raise max_tokens."
        content: dict[str, Any] = {"passages": [], "tables": [], "hint": text, "sources": [], "truncated": True}
        return Pack(text, self._told(content, len(text.split()) * 2), 20, self._results.mode, found=False)


def _shorten(piece: Piece, private: PrivateValues | None) -> bool:
    """Cut a piece at the end of a sentence or word; returns whether anything was left to cut."""
    text = piece.text.removesuffix(_CUT)
    kept = cut_whole(text, int(len(text) * _TEXT_KEPT), private)
    if not _LEAST_CHARS <= len(kept) < len(text):
        return False
    piece.end -= len(text) - len(kept) if piece.end else 0
    piece.text = kept + _CUT
    return True
