"""Text recognised on pictures of pages whose text is known, beside another engine: wrong characters, processor time."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.document_packages import fetched
from bench.measure import BenchError, Row, Table
from bench.rival_environment import installed
from bench.serving import EXAMPLE_DATA
from mcp_context_resources.documents.ocr.recognise import engine_version, recognise, system_folders
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measure import Options
    from mcp_context_resources.workers.job import Job

JAPANESE: Final = "Japanese"
ENGLISH: Final = "English"
RIVAL: Final = "rapidocr 3.10.0"
_LANGUAGES: Final = ("jpn", "eng")
_DPI: Final = 200
_POINTS_PER_INCH: Final = 72
_DEADLINE: Final = 120.0
_SECONDS: Final = 1800.0
_WORKER_MEMORY: Final = 2 << 30
_PER: Final = 10_000
_QUALITIES: Final = ("clean", "degraded")
_REQUIREMENTS: Final = ("rapidocr==3.10.0", "onnxruntime==1.31.1")
_GUIDES: Final = {"運行案内.pdf": JAPANESE, "passenger-handbook.pdf": ENGLISH}
# Pages from 1 that are prose: of a table the reading order is a matter of taste.
_DEBIAN: Final = {
    "debian-reference.ja.pdf": (JAPANESE, (35, 36, 72, 73)),
    "debian-reference.en.pdf": (ENGLISH, (50, 67, 108, 157)),
}
# What looks alike in print.
_ALIKE: Final = str.maketrans("“”„″’‘‚′`´‐‑–—−", "\"\"\"\"''''''-----")
_SPACE: Final = re.compile(r"\s+")

# Runs in the rival's environment: raw grey pictures named on standard input, texts and figures on standard output.
_PROGRAM: Final = """
import json, sys, time
import numpy
from rapidocr import RapidOCR
one = {"EngineConfig.onnxruntime.intra_op_num_threads": 1, "EngineConfig.onnxruntime.inter_op_num_threads": 1}
engine, answers = RapidOCR(params={**one, "Global.log_level": "critical"}), []
for path, width, height in json.load(sys.stdin):
    grey = numpy.fromfile(path, dtype=numpy.uint8).reshape(height, width, 1)
    started = time.process_time()
    found = engine(numpy.repeat(grey, 3, axis=2))
    answers.append(["\\n".join(found.txts or ()), time.process_time() - started])
try:
    peak = [int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
except OSError:
    peak = 0
json.dump({"answers": answers, "peak": peak}, sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Scan:
    """A picture of a page, in 8-bit grey row by row, and the text that is on it."""

    language: str
    quality: str
    pixels: bytes
    width: int
    height: int
    truth: str


@dataclass(frozen=True, slots=True)
class _Read:
    """What an engine made of scans, in their order: texts and processor seconds; and its greatest memory in bytes."""

    answers: list[tuple[str, float]]
    peak: int


async def run(options: Options) -> Table:
    """Measure each page once; the rival's part only where it can be installed."""
    title = f"text recognition of pages drawn at {_DPI} dpi"
    if engine_version() is None:
        return Table("ocr", title, notes=("Not measured: install the extra ocr first.",))
    pages, notes = _pages(quick=options.quick)
    scans = [scan for page in pages for scan in (page, degraded(page))]
    ours = await _ours(scans)
    try:
        theirs: _Read | None = _rival(scans)
    except BenchError as error:
        theirs = None
        notes.append(f"Without {RIVAL}: {error}")
    rows: list[Row] = []
    for language in (JAPANESE, ENGLISH):
        for quality in _QUALITIES:
            chosen = [n for n, scan in enumerate(scans) if (scan.language, scan.quality) == (language, quality)]
            wrong, seconds = _scores(scans, ours, chosen)
            figure = f"{language}, {quality}"
            if theirs is None:
                notes.append(f"{figure}: {wrong:.0f} characters wrong in {_PER:,}, {seconds:.2f} s of CPU a page.")
                continue
            wrong_too, seconds_too = _scores(scans, theirs, chosen)
            rows.append(Row(f"{figure}: wrong in {_PER:,}", "characters", (wrong,), RIVAL, (wrong_too,)))
            rows.append(Row(f"{figure}: CPU a page", "s", (seconds,), RIVAL, (seconds_too,)))
    if theirs is not None and theirs.peak:
        rows.append(Row("memory at its peak", "B", (ours.peak,), RIVAL, (theirs.peak,)))
    counts = ", ".join(f"{sum(page.language == name for page in pages)} {name}" for name in (JAPANESE, ENGLISH))
    notes += [
        f"Pages: {counts}; the truth is PDFium's text. Models: {engine_version()}.",
        "Degraded: turned by 1 degree, grey paper, noise, specks. Both engines with one thread.",
        "Wrong characters: edits from what was read to the truth, spaces left out, NFKC, quotes and dashes made alike.",
    ]
    return Table("ocr", title, tuple(rows), tuple(notes))


def character_errors(text: str, truth: str) -> tuple[int, int]:
    """Return the edits (Levenshtein) from one text to the other, and the characters of the true one."""
    read, true = _plain(text), _plain(truth)
    above = list(range(len(true) + 1))
    for number, mine in enumerate(read, 1):
        row = [number]
        for place, theirs in enumerate(true):
            row.append(min(above[place] + (mine != theirs), above[place + 1] + 1, row[place] + 1))
        above = row
    return above[-1], len(true)


def scan_of(path: Path, number: int, language: str, dpi: float = _DPI) -> Scan:
    """Draw page `number` (from 1) of a PDF; the truth is its text."""
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    try:
        page = document[number - 1]
        bitmap = page.render(scale=dpi / _POINTS_PER_INCH, grayscale=True)
        rows, stride = bytes(bitmap.buffer), bitmap.stride
        pixels = b"".join(rows[row * stride : row * stride + bitmap.width] for row in range(bitmap.height))
        text: str = page.get_textpage().get_text_bounded()
        return Scan(language, _QUALITIES[0], pixels, bitmap.width, bitmap.height, text)
    finally:
        document.close()


def degraded(scan: Scan) -> Scan:
    """Make of a page what a bad scanner makes: turned by a degree, on grey paper, with noise and specks."""
    import numpy as np

    random = np.random.default_rng(scan.width * scan.height)
    page = np.frombuffer(scan.pixels, dtype=np.uint8).reshape(scan.height, scan.width)
    angle = np.deg2rad(1.0)
    down, right = np.mgrid[: scan.height, : scan.width].astype(float)
    down, right = down - scan.height / 2, right - scan.width / 2
    rows = (np.cos(angle) * down + np.sin(angle) * right + scan.height / 2).round().astype(int)
    columns = (np.cos(angle) * right - np.sin(angle) * down + scan.width / 2).round().astype(int)
    inside = (rows >= 0) & (rows < scan.height) & (columns >= 0) & (columns < scan.width)
    turned = np.where(inside, page[rows.clip(0, scan.height - 1), columns.clip(0, scan.width - 1)], 255)
    noisy = turned * 0.75 + 20 + random.normal(0, 12, turned.shape)
    noisy[random.random(turned.shape) < 0.001] = 60
    pixels = noisy.clip(0, 255).astype(np.uint8).tobytes()
    return Scan(scan.language, _QUALITIES[1], pixels, scan.width, scan.height, scan.truth)


def read_measured(job: Job, pixels: bytes, width: int, height: int) -> tuple[str, float, int]:
    """Recognise a picture inside a worker; returns text, processor seconds and the process's peak memory in bytes."""
    started = time.process_time()
    page = recognise(job, pixels, width, height, dpi=_DPI, languages=_LANGUAGES)
    seconds = time.process_time() - started
    return page.text, seconds, _peak_memory()


def _peak_memory() -> int:
    """Return the greatest resident memory of this process so far; elsewhere than on Linux what it is now."""
    import psutil

    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        return int(psutil.Process().memory_info().rss)


def _pages(*, quick: bool) -> tuple[list[Scan], list[str]]:
    pages: list[Scan] = []
    for name, language in _GUIDES.items():
        pages += [scan_of(EXAMPLE_DATA / "guides" / name, number, language) for number in (1, 2)]
    if quick:
        return pages, []
    files, notes = fetched()
    paths = {path.name: path for path, _ in files}
    for name, (language, numbers) in _DEBIAN.items():
        path = next((path for stored, path in paths.items() if stored.endswith(name)), None)
        if path is not None:
            pages += [scan_of(path, number, language) for number in numbers]
    return pages, [note for note in notes if "debian-reference" in note]


def _scores(scans: Sequence[Scan], read: _Read, chosen: Sequence[int]) -> tuple[float, float]:
    """Return wrong characters in ten thousand and processor seconds a page, over the scans with these numbers."""
    edits = [character_errors(read.answers[number][0], scans[number].truth) for number in chosen]
    wrong = _PER * sum(edit for edit, _ in edits) / sum(length for _, length in edits)
    return wrong, sum(read.answers[number][1] for number in chosen) / len(chosen)


async def _ours(scans: Sequence[Scan]) -> _Read:
    """Read in a worker confined as the server's are."""
    pool = WorkerPool(
        "document",
        size=1,
        preload=("bench.ocr",),
        confinement=Confinement(readable=system_folders(), memory_bytes=_WORKER_MEMORY),
    )
    try:
        found = [
            await pool.run(read_measured, scan.pixels, scan.width, scan.height, deadline=_DEADLINE) for scan in scans
        ]
    finally:
        await pool.aclose()
    return _Read([(text, seconds) for text, seconds, _ in found], max(memory for *_, memory in found))


def _rival(scans: Sequence[Scan]) -> _Read:
    """Read in the rival's environment. Raises `BenchError` where it can't be installed or fails."""
    python = installed("ocr-rival", _REQUIREMENTS)
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        asked = []
        for number, scan in enumerate(scans):
            path = Path(folder, f"{number}.grey")
            path.write_bytes(scan.pixels)
            asked.append([str(path), scan.width, scan.height])
        try:
            done = subprocess.run(
                [str(python), "-c", _PROGRAM],
                input=json.dumps(asked),
                check=True,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
            raise BenchError(f"it failed: {reason}") from error
    answer = json.loads(done.stdout)
    return _Read([(text, seconds) for text, seconds in answer["answers"]], answer["peak"])


def _plain(text: str) -> str:
    return _SPACE.sub("", unicodedata.normalize("NFKC", text.translate(_ALIKE)).translate(_ALIKE))
