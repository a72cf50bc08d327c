"""Damaged and hostile PDFs, one after the other, through one server that must answer each and never die."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import platformdirs
import psutil

from bench.document_packages import fetched
from bench.measure import BenchError, Row, Table
from bench.mutations import mutated
from bench.serving import EXAMPLE_DATA, our_arguments
from bench.wire_client import wired
from tests.support.pdf_files import CRAFTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bench.measure import Options
    from bench.wire_client import Answer, WireClient

SEED: Final = 20_261_122
_FILES: Final = 2_000
_QUICK_FILES: Final = 200
_SEED_BYTES: Final = 150_000
_DEADLINE_SECONDS: Final = 3.0
_GRACE_SECONDS: Final = 2.0
_GIVE_UP_SECONDS: Final = 30.0
_MEMORY_MB: Final = 512
# Memory is looked at in intervals, in which it grows on.
_MEMORY_AIM: Final = 1.1
_SOUND: Final = EXAMPLE_DATA / "guides" / "passenger-handbook.pdf"
_SOUND_EVERY: Final = 10
_LOOK_SECONDS: Final = 0.05
_MOST_LOST: Final = 20
_CALLS: Final = "calls"
_WORKER_MARK: Final = "--multiprocessing-fork"
_PEAK: Final = "VmHWM:"
_WHOLE_DOCUMENT: Final = ("outline", "properties", "find")
_FAR: Final = "text, far pages"
_QUERIES: Final = ("find", "query", "search", "pattern", "text")
_TOOL: Final = "read_document"
_UNCLEAR: Final = "unclear"
# What an unforeseen exception is told as.
_NAMELESS: Final = "error"
_PROTOCOL_ERROR: Final = "protocol error"


@dataclass(slots=True)
class _Counts:
    """How the server took what it was given."""

    calls: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    crafted: dict[str, dict[str, str]] = field(default_factory=dict)
    unclear: int = 0
    protocol_errors: int = 0
    late: int = 0
    server_deaths: int = 0
    slowest: float = 0.0
    workers: set[int] = field(default_factory=set)
    largest: int = 0
    sound: int = 0
    sound_asked: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Case:
    """A file to be read, and what is said of it in a report."""

    name: str
    content: bytes
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Tool:
    """What the tool can be asked for, by its own description."""

    views: tuple[str, ...]
    query: str

    @classmethod
    async def of(cls, client: WireClient) -> _Tool:
        """Ask the server."""
        tools = (await client.request("tools/list")).message["result"]["tools"]
        properties = next(tool["inputSchema"]["properties"] for tool in tools if tool["name"] == _TOOL)
        view = properties.get("view", {})
        kinds = [view, *view.get("anyOf", ())]
        views = [name for kind in kinds for name in kind.get("enum") or filter(None, [kind.get("const")])]
        return cls(tuple(views) or ("text",), next((name for name in _QUERIES if name in properties), ""))

    def arguments(self, file: str, view: str) -> dict[str, Any]:
        """Return arguments that see a file in a view."""
        if view == _FAR:
            return {"document": file, "view": "text", "pages": "99990-"}
        arguments = {"document": file, "view": view}
        if view == "find" and self.query:
            arguments[self.query] = "the"
        elif view not in _WHOLE_DOCUMENT:
            arguments["pages"] = "1" if view == "image" else "1-4"
        return arguments


async def run(options: Options) -> Table:
    """Read every crafted file in every view, then mutated ones in turns of the views."""
    files = _QUICK_FILES if options.quick else _FILES
    seeds, notes = await anyio.to_thread.run_sync(_seeds)
    counts = _Counts()
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        served = scratch / "data"
        served.mkdir()
        shutil.copyfile(_SOUND, served / _SOUND.name)
        tool: _Tool | None = None
        cases: Iterator[_Case] | None = None
        while True:  # a new server after each that died
            async with _server(served, scratch, counts) as client:
                if tool is None or cases is None:
                    tool = await _Tool.of(client)
                    cases = _cases(seeds, files, tool.views)
                done = await _read_all(client, tool, cases, served, counts)
            if done or counts.server_deaths + counts.late > _MOST_LOST:
                break
    title = f"read_document over stdio: {len(CRAFTED)} crafted PDFs and {files:,} mutated ones (seed {SEED})"
    return Table("fuzz", title, tuple(_rows(counts)), (*_told(counts, tool.views, len(seeds)), *notes))


def _seeds() -> tuple[list[bytes], list[str]]:
    """Return small true PDFs."""
    files, notes = fetched()
    paths = [path for path, _ in files] + sorted((EXAMPLE_DATA / "guides").glob("*.pdf"))
    return [path.read_bytes() for path in paths if 0 < path.stat().st_size <= _SEED_BYTES], notes


def _cases(seeds: list[bytes], files: int, views: tuple[str, ...]) -> Iterator[_Case]:
    for name, make in CRAFTED.items():
        yield _Case(name, make(), (*views, _FAR))
    for number in range(files):
        generator = random.Random(f"{SEED}-{number}")
        content, how = mutated(seeds[number % len(seeds)], generator)
        yield _Case(f"mutated-{number:05}-{how}", content, (views[(number + number // len(seeds)) % len(views)],))


async def _read_all(client: WireClient, tool: _Tool, cases: Iterator[_Case], served: Path, counts: _Counts) -> bool:
    """Give all cases that are left; tell whether the server lived to see the last one.

    A sound file is read between them.
    """
    if not await _read_sound(client, counts):
        return False
    for number, case in enumerate(cases):
        file = served / f"{case.name}.pdf"
        file.write_bytes(case.content)
        try:
            for view in case.views:
                if not await _give(client, tool, case, view, file.name, counts):
                    return False
        finally:
            file.unlink()
        if number % _SOUND_EVERY == 0 and not await _read_sound(client, counts):
            return False
    return await _read_sound(client, counts)


async def _read_sound(client: WireClient, counts: _Counts) -> bool:
    """Read the sound file; tell whether the server lives.

    Raises `BenchError` when that fails before any other was given: then nothing can be said of those.
    """
    counts.sound_asked += 1
    try:
        number = await client.begin("tools/call", {"name": _TOOL, "arguments": {"document": _SOUND.name, "pages": "1"}})
        answer = await client.answer(number, within=_GIVE_UP_SECONDS)
    except BenchError as error:
        _lost(client, f"the sound file: {error}", counts)
        return False
    if answer.failed and not counts.calls:
        raise BenchError(f"A sound PDF was not read: {answer.text[:300]}")
    counts.sound += not answer.failed
    return True


async def _give(client: WireClient, tool: _Tool, case: _Case, view: str, file: str, counts: _Counts) -> bool:
    """Make one call and count how it went; tell whether the server can be asked again."""
    counts.calls += 1
    try:
        number = await client.begin("tools/call", {"name": _TOOL, "arguments": tool.arguments(file, view)})
        answer = await client.answer(number, within=_GIVE_UP_SECONDS)
    except BenchError as error:
        _keep(case)
        _lost(client, f"{case.name} ({view}): {error}", counts)
        return False
    counts.slowest = max(counts.slowest, answer.seconds)
    problems = []
    if answer.seconds > _DEADLINE_SECONDS + _GRACE_SECONDS:
        counts.late += 1
        problems.append(f"answered after {answer.seconds:.1f} s")
    outcome = _outcome(answer)
    counts.protocol_errors += outcome == _PROTOCOL_ERROR
    counts.unclear += outcome == _UNCLEAR
    if outcome in {_PROTOCOL_ERROR, _UNCLEAR}:
        problems.append(f"{outcome}: {' '.join(answer.text[:150].split())}")
    if problems:
        _keep(case)
        _find(f"{case.name} ({view}): {', '.join(problems)}", counts)
    counts.outcomes[view, outcome] += 1
    if case.name in CRAFTED:
        counts.crafted.setdefault(case.name, {})[view] = f"{outcome} {answer.seconds:.1f} s"
    return True


def _outcome(answer: Answer) -> str:
    """Return `answered`, the code of a clear error, `unclear` for another error, or `protocol error`."""
    if "result" not in answer.message:
        return _PROTOCOL_ERROR
    if not answer.failed:
        return "answered"
    error = (answer.message["result"].get("structuredContent") or {}).get("error", {})
    clear = error.get("code", _NAMELESS) != _NAMELESS and error.get("message") and error.get("hint")
    return str(error["code"]) if clear else _UNCLEAR


def _lost(client: WireClient, what: str, counts: _Counts) -> None:
    """Count a server that ended, or one that lives and does not answer."""
    alive = False
    with suppress(psutil.NoSuchProcess):
        alive = psutil.Process(client.pid).status() != psutil.STATUS_ZOMBIE
    counts.late += alive
    counts.server_deaths += not alive
    _find(what, counts)


def _keep(case: _Case) -> None:
    """Keep a file that made trouble, to be looked at."""
    folder = platformdirs.user_cache_path("fresh-context-bench") / "fuzz-findings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{case.name}.pdf").write_bytes(case.content)


def _find(what: str, counts: _Counts) -> None:
    counts.findings.append(what)
    print(what, file=sys.stderr, flush=True)


@asynccontextmanager
async def _server(served: Path, scratch: Path, counts: _Counts) -> AsyncIterator[WireClient]:
    """Start our server with small limits, and watch its workers."""
    settings = (f"documents.deadline_seconds={_DEADLINE_SECONDS:g}", f"documents.worker_memory_mb={_MEMORY_MB}")
    arguments = our_arguments(served, scratch=scratch, settings=settings)
    async with wired((sys.executable, *arguments), scratch) as client, anyio.create_task_group() as group:
        group.start_soon(_watch, client, counts)
        yield client
        group.cancel_scope.cancel()


async def _watch(client: WireClient, counts: _Counts) -> None:
    """Note every worker there is, and the most memory one ever had."""
    while True:
        with suppress(psutil.NoSuchProcess):
            for process in client.processes()[1:]:
                with suppress(psutil.NoSuchProcess):
                    if process.pid in counts.workers or _WORKER_MARK in process.cmdline():
                        counts.workers.add(process.pid)
                        counts.largest = max(counts.largest, _peak(process))
        await anyio.sleep(_LOOK_SECONDS)


def _peak(process: psutil.Process) -> int:
    """Return the most resident memory a process ever had, in bytes; elsewhere than on Linux, what it has now."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(_PEAK):
                return int(line.split()[1]) * 1024
    return int(process.memory_info().rss)


def _rows(counts: _Counts) -> list[Row]:
    taken = sum(count for (_, outcome), count in counts.outcomes.items() if outcome not in {_UNCLEAR, _PROTOCOL_ERROR})
    return [
        Row("answered or clearly refused", _CALLS, (taken,), "all that were made", (counts.calls,)),
        Row("a sound file read in between", _CALLS, (counts.sound,), "all that were made", (counts.sound_asked,)),
        _none("server deaths", counts.server_deaths),
        _none("protocol errors", counts.protocol_errors),
        _none("errors without a code of their own, sentence and hint", counts.unclear),
        _none(f"calls past their deadline + {_GRACE_SECONDS:g} s", counts.late),
        Row("slowest call", "s", (counts.slowest,), "deadline + grace", (_DEADLINE_SECONDS + _GRACE_SECONDS,), 1.0),
        Row("largest worker, resident", "B", (counts.largest,), "its limit", (float(_MEMORY_MB << 20),), _MEMORY_AIM),
    ]


def _none(figure: str, count: int) -> Row:
    return Row(figure, _CALLS, (count,), "limit", (0,), 1.0)


def _told(counts: _Counts, views: tuple[str, ...], seeds: int) -> list[str]:
    lines = [
        f"Mutated from {seeds} true PDFs of at most {_SEED_BYTES // 1000} kB; crafted in every view, mutated in turns.",
        f"A deadline of {_DEADLINE_SECONDS:g} s and {_MEMORY_MB} MB a worker.",
        f"Workers that died or were replaced, and the server lived on: {max(0, len(counts.workers) - 1)}.",
    ]
    for view in (*views, _FAR):
        found = {outcome: count for (seen, outcome), count in counts.outcomes.most_common() if seen == view}
        lines.append(f"view {view}: {', '.join(f'{outcome} {count}' for outcome, count in found.items())}")
    for name, taken in counts.crafted.items():
        lines.append(f"crafted {name}: {'; '.join(f'{view} {how}' for view, how in taken.items())}")
    lines += [f"FOUND, and kept in the bench's cache folder: {finding}" for finding in counts.findings[:20]]
    return lines
