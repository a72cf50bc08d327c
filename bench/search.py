"""Search and context: what is found, how fast, how fresh, and what is left when it is killed.

The evaluation beside other searches (`search_evaluation`, sets from `search_sets`), packs for questions
(`search_packs`), speed and memory up to a million passages (`search_speed`), changed files and kills
(`search_changes`), and the size of passages (`search_chunks`).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.measure import BenchError, Row, Table, show_part
from bench.search_changes import changed, killed
from bench.search_chunks import sizes
from bench.search_evaluation import evaluate
from bench.search_packs import packs
from bench.search_sets import search_sets
from bench.search_speed import Material, speed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.measure import Options

_TITLE: Final = "search and get_context on real documents, against other searches"


async def run(options: Options) -> Table:
    """Measure everything; a million passages and the sizes of passages only in a full run.

    Raises `BenchError` where not one evaluation set can be had.
    """
    sets, notes = search_sets(quick=options.quick)
    if not sets:
        raise BenchError(f"There is nothing to search: {' '.join(notes)}")
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        evaluation = await evaluate(sets, scratch, options)
        rows = evaluation.rows()
        notes += [*evaluation.matrix(), *evaluation.notes, *_reading()]
        show_part("search", "what is found", rows, notes)
        material = Material(sets)
        parts: dict[str, Callable[[], Awaitable[tuple[list[Row], list[str]]]]] = {
            "packs": lambda: packs(sets, scratch, options),
            "speed": lambda: speed(material, scratch, options),
            "changes": lambda: changed(material, scratch, options),
            "kills": lambda: killed(material, scratch, options),
        }
        for name, measure in parts.items():
            print(f"search: {name} ...", file=sys.stderr, flush=True)
            found = await measure()
            show_part("search", name, *found)
            rows += found[0]
            notes += found[1]
        if not options.quick:
            notes += await sizes(sets, scratch)
    documents = sum(len(one.documents) for one in sets)
    return Table("search", f"{_TITLE}; {documents:,} documents", tuple(rows), tuple(notes))


def _reading() -> tuple[str, ...]:
    """Say what was measured how."""
    return (
        "A query is the title that people gave a document; the document, without it, is the one thing to find. X→Y:",
        "titles in X, documents in Y. 'Lacking' is 1 - nDCG@10 in percent: less is better. Ours: a Markdown file for",
        "each document, hybrid search, the best passage stands for its file. The others get whole documents: FTS5 and",
        "bm25s any words (or trigrams) of the query, by BM25. In PDFs: the same texts, one a page, for ours and the",
        "PDF server, which searches by words: the model of its vectors would have to be downloaded. Our vectors are",
        "kept from run to run.",
    )
