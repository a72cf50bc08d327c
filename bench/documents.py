"""PDFs of many kinds read over stdio, beside the PDF libraries and beside other servers: speed, text, bytes."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread
import psutil

from bench.document_files import corpus, for_slow_readers
from bench.document_packages import GROUPS
from bench.document_rivals import PDFIUM, PYPDF, PageText, library, other_servers, our_reader
from bench.measure import OURS, BenchError, Row, Table, interleaved
from bench.serving import EXAMPLE_DATA
from bench.text_scores import f1
from bench.wire_client import wired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.document_files import Corpus, Extract
    from bench.document_rivals import PageReader
    from bench.measure import Contender, Options, Sample
    from bench.wire_client import WireClient

_WARM_UP: Final = EXAMPLE_DATA / "guides" / "passenger-handbook.pdf"
_CALL_SECONDS: Final = 60.0
_MOST_CALLS: Final = 100
_CPU_AIMS: Final = {PYPDF: 0.1, PDFIUM: 1 / 0.7}
_BYTES_AIM: Final = 0.5
_TEXT_AIMS: Final = {PDFIUM: 1.0}
_PERCENT: Final = "%"
_START: Final = "start-up"
_CPU_A_PAGE: Final = "CPU a page"


@dataclass(slots=True)
class _Outcome:
    """What one reader did with the whole corpus.

    `start` is the processor time up to its first answer, about a small file; `processor` is what came after.
    """

    start: float = 0.0
    processor: float = 0.0
    texts: dict[Path, dict[int, PageText]] = field(default_factory=dict)
    sizes: dict[Path, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    deaths: int = 0

    @property
    def pages(self) -> int:
        """Pages that were answered."""
        return sum(map(len, self.texts.values()))

    @property
    def a_page(self) -> float:
        """Processor seconds a page."""
        return self.processor / max(1, self.pages)


@dataclass(slots=True)
class _Contest:
    """Readers of the same pages: what each did the last time, and the processor time of every time."""

    extracts: Sequence[Extract]
    outcomes: dict[str, _Outcome] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """The groups that have pages in it."""
        return [group for group in GROUPS if any(extract.group == group for extract in self.extracts)]

    @property
    def rivals(self) -> list[str]:
        """Everyone but us."""
        return [name for name in self.outcomes if name != OURS]

    def told(self) -> str:
        """Say how much is read in it."""
        return f"{sum(len(extract.pages) for extract in self.extracts):,} pages of {len(self.extracts)} PDFs"


async def run(options: Options) -> Table:
    """Read the corpus with the libraries and, a part of it, with the other servers; ours and PDFium take turns."""
    found = await anyio.to_thread.run_sync(lambda: corpus(quick=options.quick))
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        served, extracts = await anyio.to_thread.run_sync(_laid_out, found, scratch)
        others, missing = await anyio.to_thread.run_sync(other_servers, scratch)
        libraries = _Contest(extracts)
        servers = _Contest(for_slow_readers(extracts, quick=options.quick))
        ours = our_reader(served, scratch)
        await _compete(libraries, [ours, library(PDFIUM)], served, options.runs)
        await _compete(libraries, [library(PYPDF)], served, 1)
        if others:
            await _compete(servers, [ours], served, 1)
        for reader in others:
            try:
                await _compete(servers, [reader], served, 1)
            except* BenchError as problems:
                servers.outcomes.pop(reader.name, None)
                missing.append(f"Without {reader.name}: it could not be asked ({_first(problems)}).")
    rows = [*_cpu_rows(libraries), *_text_rows(libraries), *_cpu_rows(servers), *_text_rows(servers)]
    rows += _byte_rows(servers)
    title = f"read_document over stdio: {libraries.told()}; beside other servers {servers.told()}"
    notes = [*_matrix(libraries), *(_matrix(servers) if others else ()), *_reading(), *found.notes, *missing]
    return Table("documents", title, tuple(rows), (*notes, *_failures(libraries), *_failures(servers)))


def _first(problems: BaseException) -> BaseException:
    while isinstance(problems, BaseExceptionGroup):
        problems = problems.exceptions[0]
    return problems


async def _compete(contest: _Contest, readers: Sequence[PageReader], served: Path, runs: int) -> None:
    contenders = {reader.name: _contender(reader, served, contest) for reader in readers}
    contest.samples |= await interleaved(contenders, runs=runs, warmups=0)


def _laid_out(found: Corpus, scratch: Path) -> tuple[Path, list[Extract]]:
    """Copy the files into one folder to be served, with the small file for the warm-up."""
    served = scratch / "data"
    served.mkdir()
    shutil.copyfile(_WARM_UP, served / _WARM_UP.name)
    extracts = []
    for number, extract in enumerate(found.extracts):
        path = served / f"{number:03}-{extract.path.parent.name}-{extract.path.name}"
        shutil.copyfile(extract.path, path)
        extracts.append(type(extract)(path, extract.group, extract.pages, extract.reference))
    return served, extracts


def _contender(reader: PageReader, served: Path, contest: _Contest) -> Contender:
    """Make a contender of a reader."""

    async def contender() -> Sample:
        outcome = contest.outcomes[reader.name] = _Outcome()
        left = list(contest.extracts)
        if reader.cache is not None:
            shutil.rmtree(reader.cache, ignore_errors=True)
        print(f"{reader.name} reads {contest.told()} ...", file=sys.stderr, flush=True)
        while left:  # a new process after each that died
            await _session(reader, served, left, outcome)
        if not outcome.pages:
            raise BenchError(f"{reader.name} read no page: {outcome.failed[:1]}")
        return {_CPU_A_PAGE: outcome.a_page, _START: outcome.start}

    return contender


async def _session(reader: PageReader, served: Path, left: list[Extract], outcome: _Outcome) -> None:
    """Read files in one process until none is left or the process must be given up."""
    async with wired(reader.command, served, variables=reader.variables) as client:
        await client.call(reader.tool, reader.arguments(served / _WARM_UP.name, (1,)))
        started = spent = _processor_seconds(client)
        outcome.start = outcome.start or started
        while left:
            extract = left.pop(0)
            try:
                alive = await _read(client, reader, extract, outcome)
            except BenchError as error:
                outcome.failed.append(f"{extract.path.name}: {error}")
                alive = False
            spent = max(spent, _processor_seconds(client))
            if not alive:
                outcome.deaths += 1
                break
        outcome.processor += spent - started


async def _read(client: WireClient, reader: PageReader, extract: Extract, outcome: _Outcome) -> bool:
    """Read a file's pages, going on where answers were cut; an error is noted. Tells whether to go on with the server.

    Raises `BenchError` when there is no answer.
    """
    arguments = reader.arguments(extract.path, extract.pages)
    texts: dict[int, PageText] = {}
    size = 0
    for _ in range(_MOST_CALLS):
        number = await client.begin("tools/call", {"name": reader.tool, "arguments": arguments})
        answer = await client.answer(number, within=_CALL_SECONDS)
        size += answer.size
        if answer.failed:
            outcome.failed.append(f"{extract.path.name}: {answer.text[:200]}")
            return True
        try:
            pieces = reader.texts(answer, extract.pages)
        except BenchError as error:
            outcome.failed.append(f"{extract.path.name}: {error}")
            return True
        for page, piece in pieces.items():
            if page in texts:
                texts[page].body += piece.body
            else:
                texts[page] = piece
        following = reader.more(arguments, answer)
        if following is None:
            break
        arguments = following
    outcome.texts[extract.path] = texts
    outcome.sizes[extract.path] = size
    return True


def _processor_seconds(client: WireClient) -> float:
    """Return the processor time of the server, of what runs below it, and of what ran below it and ended."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        for process in client.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
                total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def _cpu_rows(contest: _Contest) -> list[Row]:
    times = {name: tuple(sample[_CPU_A_PAGE] for sample in samples) for name, samples in contest.samples.items()}
    return [Row(_CPU_A_PAGE, "s", times[OURS], name, times[name], _CPU_AIMS.get(name)) for name in contest.rivals]


def _text_rows(contest: _Contest) -> list[Row]:
    """Compare what is lacking of F1 1, so that less is better and small differences show."""
    rows = []
    for group in contest.groups:
        lacking = {
            name: 100 * (1 - _score(outcome, contest.extracts, group)) for name, outcome in contest.outcomes.items()
        }
        figure = f"lacking {GROUPS[group][:-1]} F1, {group}"
        rows += [
            Row(figure, _PERCENT, (lacking[OURS],), name, (lacking[name],), _TEXT_AIMS.get(name))
            for name in contest.rivals
        ]
    return rows


def _score(outcome: _Outcome, extracts: Sequence[Extract], group: str) -> float:
    pairs = []
    for extract in extracts:
        if extract.group == group:
            texts = outcome.texts.get(extract.path, {})
            for page, reference in zip(extract.pages, extract.reference, strict=True):
                pairs.append((str(texts.get(page, "")), reference))
    return f1(pairs, GROUPS[group])


def _byte_rows(contest: _Contest) -> list[Row]:
    """Compare bytes over the files that both answered."""
    rows = []
    for name in contest.rivals:
        mine, theirs = (contest.outcomes[who].sizes for who in (OURS, name))
        both = mine.keys() & theirs.keys()
        totals = [float(sum(sizes[path] for path in both)) for sizes in (mine, theirs)]
        rows.append(Row("bytes on the wire", "B", (totals[0],), name, (totals[1],), _BYTES_AIM))
    return rows


def _matrix(contest: _Contest) -> list[str]:
    """Show everyone beside everyone."""
    lines = [("reader", "pages/CPU-s", "start-up CPU-s", "pages", "MB sent", *contest.groups)]
    for name, outcome in contest.outcomes.items():
        scores = [f"{_score(outcome, contest.extracts, group):.4f}" for group in contest.groups]
        size = f"{sum(outcome.sizes.values()) / 1e6:.2f}"
        rate = f"{1 / outcome.a_page:.1f}" if outcome.processor else "-"
        lines.append((name, rate, f"{outcome.start:.2f}", str(outcome.pages), size, *scores))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _reading() -> tuple[str, ...]:
    """Say what was measured how."""
    return (
        "Processor time is that of a server with all its workers, counted from its first answer (about a small file)",
        "to its last; what came before is its start-up, shown apart. Pages that were not answered don't count.",
        "F1 against pdftotext, counts summed over a group: words, or in the Japanese groups CJK characters. Alike for",
        "all: NFKC, invisible characters, hyphens inside words and at line ends, dot leaders. 'Lacking' is 1 - F1 in",
        f"percent: less is better. A page that was not answered, or not within {_CALL_SECONDS:g} s, counts as empty.",
        "Everyone starts with an empty cache and is asked once for all pages of a file (ours with",
        "budget.max_chars=1000000), and again where cut. Ours and PDFium take turns, the others read once, the servers",
        "fewer pages. Bytes: files both answered.",
    )


def _failures(contest: _Contest) -> list[str]:
    notes = []
    for name, outcome in contest.outcomes.items():
        if outcome.failed:
            told = f"{name}: {len(outcome.failed)} files not read, {outcome.deaths} times a new process was needed"
            notes.append(f"{told}: {' | '.join(text[:90] for text in outcome.failed[:4])}")
    return notes
