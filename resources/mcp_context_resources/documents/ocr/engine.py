"""Engine of text recognition: Tesseract, loaded once in a worker and asked for one picture at a time."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents import ocr_models
from mcp_context_resources.errors import DeadlineExceededError, OcrUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from mcp_context_resources.workers.job import Job

_MOST_LINES: Final = 5_000
_TOP_TO_BOTTOM: Final = 2  # of Tesseract's writing directions
_LEAST_ORIENTATION_CONFIDENCE: Final = 2.0
_KEPT_ENGINES: Final = 3
# CJK punctuation, kana, ideographs with their extensions and compatibility forms, full-width forms.
_CJK: Final = (
    "\u2e80-\u2fdf\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uffef"
    "\U00020000-\U0003347f"
)
_NEEDLESS: Final = re.compile(f"(?<=[{_CJK}]) +| +(?=[{_CJK}])")


@dataclass(frozen=True, slots=True)
class Picture:
    """Grey pixels row by row, one byte each, and the dots an inch they are at."""

    pixels: bytes
    width: int
    height: int
    dpi: float


@dataclass(slots=True)
class RawLine:
    """A line as recognised: its box in pixels (left, top, right, bottom), its paragraph, how it runs."""

    text: str
    box: tuple[int, int, int, int]
    confidence: float
    block: int
    vertical: bool


def turned(pixels: bytes, width: int, height: int, quarters: int) -> tuple[bytes, int, int]:
    """Turn a picture anticlockwise by `quarters` of 90 degrees; returns its pixels, width and height."""
    if quarters == 1:
        return b"".join(pixels[column::width] for column in reversed(range(width))), height, width
    if quarters == 2:
        return pixels[::-1], width, height
    if quarters == 3:
        return b"".join(pixels[column::width][::-1] for column in range(width)), height, width
    return pixels, width, height


def turned_back(box: tuple[int, int, int, int], width: int, height: int, quarters: int) -> tuple[int, int, int, int]:
    """Return where a box on a turned picture lies on the original, which is `width` by `height`.

    Boxes are left, top, right and bottom in pixels.
    """
    left, top, right, bottom = box
    if quarters == 1:
        return width - bottom, left, width - top, right
    if quarters == 2:
        return width - right, height - bottom, width - left, height - top
    if quarters == 3:
        return top, height - right, bottom, height - left
    return box


def version(languages: str) -> str:
    """Name the engine that reads these languages."""
    number: str = _library().tesseract_version().split("\n", 1)[0].strip()
    return f"{number} {languages}"


def read(job: Job, picture: Picture, folder: str, languages: str, *, one_block: bool = False) -> list[RawLine]:
    """Recognise the lines of a picture in reading order, also those that are hardly text.

    `languages` are joined with `+`; `one_block` spares looking for columns. Raises
    `DeadlineExceededError` when the job must stop.
    """
    engine = _engine(folder, languages)
    try:
        segmentation = _library().PSM
        engine.SetPageSegMode(segmentation.SINGLE_BLOCK if one_block else segmentation.AUTO)
        _show(engine, picture)
        milliseconds = max(1, int(job.seconds_left * 1000))
        finished = engine.Recognize(milliseconds)
        if job.should_stop or not finished:
            raise DeadlineExceededError(
                f"Reading a picture of a page took longer than {job.deadline_seconds:g} s.",
                "Ask for fewer pages at a time, or raise the limit in the settings.",
            )
        return list(_lines(engine.GetIterator()))
    finally:
        engine.Clear()


def quarters_turned(picture: Picture) -> int:
    """Tell by how many quarters clockwise the text on a picture is turned; 0 where that can't be told."""
    folder = ocr_models.find_folder(ocr_models.ORIENTATION)
    if folder is None:
        return 0
    engine = _orientation_engine(folder)
    try:
        _show(engine, picture)
        found = engine.DetectOS()
    finally:
        engine.Clear()
    if not found or found["oconfidence"] < _LEAST_ORIENTATION_CONFIDENCE:
        return 0
    return int(found["orientation"]) % 4


def _library() -> ModuleType:
    # Read when the library is loaded: more threads cost processor time and bring little.
    os.environ["OMP_THREAD_LIMIT"] = "1"
    try:
        import tesserocr
    except ImportError as error:
        raise OcrUnavailableError("Text recognition isn't installed.", ocr_models.INSTALL_HINT) from error
    library: ModuleType = tesserocr
    return library


@lru_cache(maxsize=_KEPT_ENGINES)
def _engine(folder: str, languages: str) -> Any:
    library = _library()
    return _started(library, folder, languages, library.OEM.LSTM_ONLY, library.PSM.AUTO)


@lru_cache(maxsize=1)
def _orientation_engine(folder: str) -> Any:
    library = _library()
    return _started(library, folder, ocr_models.ORIENTATION, library.OEM.TESSERACT_ONLY, library.PSM.OSD_ONLY)


def _started(library: ModuleType, folder: str, languages: str, mode: int, segmentation: int) -> Any:
    library.set_leptonica_log_level(library.LeptLogLevel.NONE)
    try:
        started: Any = library.PyTessBaseAPI(path=folder, lang=languages, oem=mode, psm=segmentation)
    except RuntimeError as error:
        raise OcrUnavailableError(
            f"The text recogniser can't use its models of {languages}.", ocr_models.INSTALL_HINT
        ) from error
    # By default messages go to /dev/null, and where that can't be written the library crashes.
    started.SetVariable("debug_file", "")
    return started


def _show(engine: Any, picture: Picture) -> None:
    engine.SetImageBytes(picture.pixels, picture.width, picture.height, 1, picture.width)
    engine.SetSourceResolution(round(picture.dpi))


def _lines(iterator: Any) -> Iterator[RawLine]:
    library = _library()
    level = library.RIL
    line: RawLine | None = None
    words: list[tuple[str, float]] = []
    block = count = 0
    while iterator is not None and not iterator.Empty(level.WORD):
        if iterator.IsAtBeginningOf(level.TEXTLINE) or line is None:
            if line is not None:
                yield _finished(line, words)
            count += 1
            if count > _MOST_LINES:
                return
            if iterator.IsAtBeginningOf(level.PARA) and line is not None:
                block += 1
            vertical = iterator.Orientation()[1] == _TOP_TO_BOTTOM
            line, words = RawLine("", iterator.BoundingBox(level.TEXTLINE), 0.0, block, vertical), []
        words.append((iterator.GetUTF8Text(level.WORD) or "", iterator.Confidence(level.WORD) / 100))
        if not iterator.Next(level.WORD):
            break
    if line is not None:
        yield _finished(line, words)


def _finished(line: RawLine, words: list[tuple[str, float]]) -> RawLine:
    line.text = joined(text for text, _ in words)
    characters = sum(len(text) for text, _ in words)
    line.confidence = sum(len(text) * confidence for text, confidence in words) / max(characters, 1)
    return line


def joined(words: Iterable[str]) -> str:
    """Join words with spaces, but none beside a Japanese character: there the recogniser sets them at random."""
    return _NEEDLESS.sub("", " ".join(" ".join(word.split()) for word in words).strip())
