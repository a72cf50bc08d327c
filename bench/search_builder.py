"""Makes a folder of documents searchable in a process of its own, which may be killed: `search_builder.py DIR CACHE`.

It writes a line with how many files are ready after each step, so that whoever kills it knows when.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from bench.search_ours import opened


async def _build(folder: Path, cache: Path) -> None:
    async def tell(done: float, total: float | None = None, message: str | None = None) -> None:
        print(f"{done} {total or 0} {message or ''}", flush=True)

    async with opened(folder, cache) as search:
        print("begun", flush=True)
        await search.build(on_progress=tell, vectors=False)
        print("built", flush=True)


if __name__ == "__main__":
    anyio.run(_build, Path(sys.argv[1]), Path(sys.argv[2]))
