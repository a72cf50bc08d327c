"""Excerpts: passages of documents as they stand in the files now, whole sentences, adjoining ones together."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from mcp_context_resources.errors import ContextError, NotFoundError, SourceChangedError
from mcp_context_resources.sentences import flat, sentences
from mcp_context_tools.context_pack.spec import Block, Piece
from mcp_context_tools.search_hits.places import heading_text
from mcp_context_tools.search_hits.quotes import visible
from mcp_context_tools.text_cutting import whole_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.spec import FromDocument, Reading
    from mcp_context_resources.index.spec import IndexedSource
    from mcp_context_tools.context_pack.spec import Gathered
    from mcp_context_tools.search_hits.paging import Found
    from mcp_context_tools.tool import PrivateValues, Services

_MOST_DOCUMENTS: Final = 16
_AT_ONCE: Final = 2
_PAGE_CHARS: Final = 300_000
_AROUND: Final = 1_000
_GAP_CHARS: Final = 200
_PRE: Final = re.compile(r"(?m)^(?: {2}|\t|\|)|\S {3,}\S")


async def read_excerpts(services: Services, found: Sequence[tuple[int, Found]], gathered: Gathered) -> None:
    """Read the pages of hits in documents, each document once, and add a block for each page.

    `found` are hits with their ranks from 0. A document that can't be read any more is among `missing`.
    """
    by_document: dict[str, list[tuple[int, Found]]] = {}
    for rank, one in found:
        by_document.setdefault(one.hit.source.key, []).append((rank, one))
    if not by_document:
        return
    limit = anyio.CapacityLimiter(_AT_ONCE)
    # Looked through once: with many files that takes longer than the reading.
    catalogue = await anyio.to_thread.run_sync(services.workspace.catalogue)

    async def read(ranked: list[tuple[int, Found]]) -> None:
        source = ranked[0][1].hit.source
        numbers = sorted({one.hit.chunk.page for _, one in ranked if one.hit.chunk.page is not None})
        read_pages = partial(
            services.documents.read, source.key, pages=",".join(map(str, numbers)), max_chars=_PAGE_CHARS
        )
        try:
            async with limit:
                try:
                    reading = await read_pages(source=catalogue.find("document", source.name))
                except SourceChangedError:
                    reading = await read_pages()
        except NotFoundError:
            gathered.missing[source.name] = "it is gone since it was found"
        except ContextError as error:
            gathered.missing[source.name] = error.message
        else:
            gathered.blocks += await anyio.to_thread.run_sync(_blocks, ranked, reading, gathered, services.private)

    async with anyio.create_task_group() as group:
        for ranked in list(by_document.values())[:_MOST_DOCUMENTS]:
            group.start_soon(read, ranked)
    for ranked in list(by_document.values())[_MOST_DOCUMENTS:]:
        gathered.missing.setdefault(ranked[0][1].hit.source.name, "less to do with the question")


def _blocks(
    ranked: Sequence[tuple[int, Found]],
    reading: FromDocument[Reading],
    gathered: Gathered,
    private: PrivateValues | None,
) -> list[Block]:
    pages = {page.number: page.text for page in reading.content.pages if page.start == 0}
    by_page: dict[int, list[tuple[int, Found]]] = {}
    for rank, one in ranked:
        by_page.setdefault(one.hit.chunk.page or 0, []).append((rank, one))
    blocks = []
    for number, on_page in by_page.items():
        block = _block(number, on_page, pages.get(number, ""), reading, private)
        if block.pieces:
            blocks.append(block)
        else:
            gathered.missing[block.source.name] = "it has changed since it was found"
    return blocks


def _block(
    number: int,
    ranked: Sequence[tuple[int, Found]],
    page: str,
    reading: FromDocument[Reading],
    private: PrivateValues | None,
) -> Block:
    """Cut the sentences that hits on a page stand in out of it, no `private` value in two."""
    source: IndexedSource = ranked[0][1].hit.source
    block = Block(source, reading.ref, ranked[0][0], [], page=number, heading=_heading(ranked, private))
    best: dict[tuple[int, int], int] = {}
    for rank, one in ranked:
        chunk = one.hit.chunk
        start = chunk.start if page.startswith(chunk.text, chunk.start) else page.find(chunk.text)
        if start < 0 or not chunk.text:
            continue
        for begin, stop in _sentences_round(page, start, start + len(chunk.text), lines=chunk.kind == "table"):
            span = (begin, stop) if private is None else private.whole(page, begin, stop)
            best[span] = min(rank, best.get(span, rank))
        block.copies += [copy.source.name for copy in one.copies if copy.source.key != source.key]
    block.copies = list(dict.fromkeys(block.copies))
    spans = _bridged(page, sorted(_apart(best)), best)
    for order, (start, end) in enumerate(spans):
        raw = visible(page[start:end])
        text = raw.rstrip() if _PRE.search(raw) else flat(raw)
        if any(character.isalnum() for character in text):
            between = page[spans[order - 1][1] : start] if order else ""
            after = " … " if between.strip() else "\n" if "\n" in between else between
            block.pieces.append(Piece(text, len(block.pieces), float(best[start, end]), after, start, end))
    return block


def _sentences_round(page: str, start: int, end: int, *, lines: bool) -> list[tuple[int, int]]:
    """Return the sentences that reach into a stretch of a page, whole."""
    first = page.rfind("\n\n", 0, max(0, start - _AROUND)) + 1
    last = min(len(page), end + _AROUND)
    found = [(first + begin, first + stop) for begin, stop in sentences(page[first:last], lines=lines)]
    return [span for span in _untorn(page, found) if span[1] > start and span[0] < end]


def _untorn(page: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Move the border of sentences that were cut for their length to where it tears nothing."""
    whole: list[tuple[int, int]] = []
    for begin, stop in spans:
        if not whole or whole[-1][1] != begin:
            whole.append((begin, stop))
            continue
        first = whole.pop()[0]
        border = first + whole_before(page[first:stop], begin - first)
        if border > first:
            whole.append((first, first + len(page[first:border].rstrip())))
        whole.append((border + len(page[border:stop]) - len(page[border:stop].lstrip()), stop))
    return whole


def _apart(spans: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
    """Drop sentences that overlap an earlier one, as where a table and a text were cut differently."""
    kept: list[tuple[int, int]] = []
    for span in sorted(spans, key=lambda span: (spans[span], span)):
        place = bisect_left(kept, span)
        before_ends = kept[place - 1][1] if place else 0
        after_starts = kept[place][0] if place < len(kept) else span[1]
        if before_ends <= span[0] and span[1] <= after_starts:
            kept.insert(place, span)
    return kept


def _bridged(page: str, spans: list[tuple[int, int]], best: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
    """Take in the few words that lie between two passages of a page."""
    extra: list[tuple[int, int]] = []
    for one, other in pairwise(spans):
        between = page[one[1] : other[0]]
        if between.strip() and len(between) <= _GAP_CHARS:
            begin = one[1] + len(between) - len(between.lstrip())
            span = begin, begin + len(between.strip())
            best[span] = max(best[one], best[other])
            extra.append(span)
    return sorted([*spans, *extra])


def _heading(ranked: Sequence[tuple[int, Found]], private: PrivateValues | None) -> str:
    return next((text for _, one in ranked if (text := heading_text(one.hit.chunk.heading, private))), "")
