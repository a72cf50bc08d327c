"""What a changed file costs among thousands, and what is lost when the index is killed (SIGKILL) while it is built."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Final

import anyio.to_thread
import psutil

from bench.measure import BenchError, Row
from bench.search_ours import opened
from bench.serving import REPOSITORY, environment
from mcp_context_resources.index.request import SearchRequest
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.index.worker_index import WorkerIndex

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.measure import Options
    from bench.search_speed import Material
    from mcp_context_resources.index.service import SearchIndex

_FILES: Final = 10_000
_QUICK_FILES: Final = 1_000
_EDITS: Final = 5
_EDIT_LIMIT: Final = 1.0
_KILLS: Final = 20
_QUICK_KILLS: Final = 5
_KILLED_FILES: Final = 1_000
_QUICK_KILLED_FILES: Final = 100
_SHARE: Final = 0.05
_EVERY: Final = 20
_PARAGRAPHS: Final = 50
_LETTERS: Final = "bcdfghjklmnpqrtvwxz"
_ROUND_SECONDS: Final = 120.0
_SEED: Final = 11


async def changed(material: Material, scratch: Path, options: Options) -> tuple[list[Row], list[str]]:
    """Edit files in a large folder and ask for what is new in them: the first answer must have it.

    Raises `BenchError` where it hasn't.
    """
    count = _QUICK_FILES if options.quick else _FILES
    print(f"search: a changed file among {count:,} ...", file=sys.stderr, flush=True)
    folder = scratch / "many"
    folder.mkdir()
    for number, text in enumerate(material.passages(count)):
        (folder / f"{number:06}.md").write_text(text, encoding="utf-8")
    async with opened(folder, scratch / "many-cache") as search:
        started = time.perf_counter()
        await search.build(vectors=False)
        built = time.perf_counter() - started
        await _found(search, _word(0))
        edited, unchanged = [], []
        for edit in range(_EDITS):
            word = _word(edit + 1)
            path = folder / f"{(edit * 7919) % count:06}.md"
            path.write_text(f"{path.read_text(encoding='utf-8')}\n\nNew here: {word}.\n", encoding="utf-8")
            started = time.perf_counter()
            hits = await _found(search, word)
            edited.append(time.perf_counter() - started)
            if len(hits) != 1:
                raise BenchError(f"An edited file was found {len(hits)} times by what is new in it.")
            started = time.perf_counter()
            await _found(search, word)
            unchanged.append(time.perf_counter() - started)
    figure = f"found after an edit, 1 of {count:,} files"
    rows = [
        Row(figure, "s", tuple(edited), "limit", (_EDIT_LIMIT,), 1.0),
        Row(f"found without one, {count:,} files", "s", tuple(unchanged), "limit", (_EDIT_LIMIT,), 1.0),
    ]
    note = f"{count:,} files were read, cut and put in within {built:.1f} s ({count / built:,.0f} files/s), by words."
    return rows, [note]


async def killed(material: Material, scratch: Path, options: Options) -> tuple[list[Row], list[str]]:
    """Kill the building process with all its workers again and again, then compare with an index that never was.

    Passages are counted source by source, and every twentieth is searched for by a word that only it has.

    Raises `BenchError` where the index can't be built at all.
    """
    kills = _QUICK_KILLS if options.quick else _KILLS
    files = _QUICK_KILLED_FILES if options.quick else _KILLED_FILES
    print(f"search: killed {kills} times while {files} files are put in ...", file=sys.stderr, flush=True)
    folder, cache = scratch / "killed", scratch / "killed-cache"
    folder.mkdir()
    words = [_word(number) for number in range(files * _PARAGRAPHS)]
    for number in range(files):
        part = words[number * _PARAGRAPHS : (number + 1) * _PARAGRAPHS]
        texts = zip(part, material.passages(len(part)), strict=True)
        (folder / f"{number:04}.md").write_text("\n\n".join(f"{word} {text}" for word, text in texts), "utf-8")
    lot = Random(_SEED)
    at_work = 0
    for _ in range(kills):
        at_work += await anyio.to_thread.run_sync(_killed_after, folder, cache, lot.uniform(0, 0.5))
    lost = doubled = 0
    async with opened(folder, cache) as search:
        await search.build(vectors=False)
        for word in words[::_EVERY]:
            times = sum(word in text for text in await _found(search, word))
            lost += times == 0
            doubled += times > 1
    async with opened(folder, scratch / "never-killed-cache") as search:
        await search.build(vectors=False)
    held, wanted = await _passages(cache), await _passages(scratch / "never-killed-cache")
    lost += sum(max(0, count - held.get(key, 0)) for key, count in wanted.items())
    doubled += sum(max(0, count - wanted.get(key, 0)) for key, count in held.items())
    total = sum(wanted.values())
    rows = [
        Row(f"passages lost after {kills} kills, of {total:,}", "rows", (float(lost),), "limit", (0,), 1.0),
        Row(f"passages doubled after {kills} kills", "rows", (float(doubled),), "limit", (0,), 1.0),
    ]
    return rows, [f"{at_work} of {kills} kills (SIGKILL, server and workers) fell while files were being put in."]


async def _passages(cache: Path) -> dict[str, int]:
    """Count what an index holds of each source."""
    index = WorkerIndex(cache / "index", IndexSettings())
    try:
        return {known.source.key: known.chunks for known in await index.known()}
    finally:
        await index.aclose()


def _killed_after(folder: Path, cache: Path, wait: float) -> bool:
    """Let it build a share of what is left and a while longer, then kill it; tell whether it was still at work."""
    command = [sys.executable, "-m", "bench.search_builder", str(folder), str(cache)]
    began = time.monotonic()
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=_paths(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        done = False
        for line in process.stdout:
            if line.startswith("built"):
                done = True
                break
            first, second, *_ = [*line.split(), "0", "0"]
            if first != "begun" and float(second) and float(first) / float(second) >= _SHARE:
                break
            if time.monotonic() - began > _ROUND_SECONDS:
                break
        if not done:
            time.sleep(wait)
        at_work = process.poll() is None
        server = psutil.Process(process.pid)
        for one in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()
    return at_work and not done


def _paths() -> dict[str, str]:
    return {**environment(), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


async def _found(search: SearchIndex, word: str) -> Sequence[str]:
    results = await search.search(SearchRequest(word, most=50, mode="lexical"))
    return [hit.chunk.text for hit in results.answer.hits if word in hit.chunk.text]


def _word(number: int) -> str:
    """Make a word that no text has, of consonants, so that it has no other form."""
    letters = []
    for _ in range(6):
        number, rest = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return "zq" + "".join(letters) + "q"
