"""How large a passage should be: the same sets cut into passages of several sizes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from bench.search_ours import opened, rank, write_files
from bench.search_scores import Scores, aligned, rank_of
from mcp_context_resources.index.settings import IndexSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.search_sets import SearchSet

_SIZES: Final = (600, 1200, 2400)
_SETS: Final = ("lohelp",)


async def sizes(sets: Sequence[SearchSet], scratch: Path) -> list[str]:
    """Show what each size finds, by words, by meaning and both; the larger a passage, the fewer vectors are needed."""
    lines: list[tuple[str, ...]] = [
        ("set", "characters", "passages", "MRR lexical", "vector", "hybrid", "nDCG@10 hybrid")
    ]
    for one in sets:
        if one.name not in _SETS:
            continue
        queries = one.asked_in(one.language)
        for size in _SIZES:
            print(f"search: {one.name} {one.language} in passages of {size} ...", file=sys.stderr, flush=True)
            folder = scratch / f"{one.name}-{one.language}-{size}"
            keys = write_files(folder / "data", one.documents)
            async with opened(folder / "data", folder / "cache", IndexSettings(chunk_chars=size)) as search:
                state = await search.build()
                scores = {}
                for mode in ("lexical", "vector", "hybrid"):
                    found = await rank(search, [query.text for query in queries], mode)
                    places = (
                        rank_of(query.target, [keys[file] for file, _ in hits])
                        for query, hits in zip(queries, found, strict=True)
                    )
                    scores[mode] = Scores.of(list(places))
            figures = (*(f"{score.mrr:.3f}" for score in scores.values()), f"{scores['hybrid'].ndcg:.3f}")
            lines.append((f"{one.name} {one.language}", str(size), str(state.chunks), *figures))
    return aligned(lines)
