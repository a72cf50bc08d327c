"""Text recognition on the picture of a page, upright or turned, horizontal or vertical."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents import ocr_models
from mcp_context_resources.documents.geometry import Box
from mcp_context_resources.documents.ocr import engine
from mcp_context_resources.documents.ocr.columns import reset
from mcp_context_resources.documents.ocr.engine import turned, turned_back
from mcp_context_resources.documents.ocr_models import engine_version, system_folders
from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.ocr.engine import Picture, RawLine
    from mcp_context_resources.workers.job import Job

__all__ = ["engine_version", "recognise", "system_folders"]

_POINTS_PER_INCH: Final = 72
_JAPANESE: Final = "jpn"
_MAX_PIXELS: Final = 40_000_000
_LEAST_SIDE: Final = 8
_DPI: Final = (30.0, 2400.0)
_SURE: Final = 0.7
_LEAST_CONFIDENCE: Final = 0.3

VERTICAL_NOTE: Final = (
    "The page is set in vertical lines and was read without a model of vertical Japanese (jpn_vert): brackets, long "
    "vowel marks and small kana may be wrong. Debian and Ubuntu have the model as tesseract-ocr-jpn-vert."
)


@dataclass(frozen=True, slots=True)
class OcrLine:
    """One line of text, or one column of vertical text.

    `box` is in points on the page as it is displayed, also where the scan lies on its side; `confidence` is 0 to 1.
    Lines with the same `block` number, counted from 0, stand in one paragraph.
    """

    text: str
    box: Box
    confidence: float
    block: int = 0


@dataclass(frozen=True, slots=True)
class OcrPage:
    """The lines of a page in reading order.

    `confidence` (0 to 1) is the mean over all characters, 0 without any. `engine` names the recogniser with its version
    and languages. `rotation` is how many degrees clockwise the text is turned on the displayed page; `notes` are
    sentences about what may be wrong.
    """

    lines: tuple[OcrLine, ...]
    confidence: float
    engine: str
    rotation: int = 0
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The lines joined with newlines, a blank line between blocks."""
        blocks = groupby(self.lines, key=lambda line: line.block)
        return "\n\n".join("\n".join(line.text for line in lines) for _, lines in blocks)


def recognise(job: Job, pixels: bytes, width: int, height: int, *, dpi: float, languages: Sequence[str]) -> OcrPage:
    """Read the text on a picture of a page: `pixels` are 8-bit grey, row by row from the top left, at `dpi`.

    `languages` go by Tesseract's names (`jpn`, `eng`), the most likely one first. A page that lies on its side or its
    head is read upright. 200 dpi is enough for print of ordinary size.

    Raises `OcrUnavailableError`, `InvalidInputError` for a picture or language that can't be one,
    `DeadlineExceededError`.
    """
    _check(pixels, width, height, dpi)
    languages = list(dict.fromkeys(languages))
    folder = ocr_models.folder_of(languages)
    named = "+".join(languages)
    picture = engine.Picture(pixels, width, height, dpi)
    lines = engine.read(job, picture, folder, named)
    quarters = 0
    if lines and (_mean(lines) < _SURE or _is_vertical(lines)):
        quarters = engine.quarters_turned(picture)
        if quarters:
            picture = engine.Picture(*turned(pixels, width, height, quarters), dpi)
            lines = engine.read(job, picture, folder, named)
    notes: tuple[str, ...] = ()
    if _JAPANESE in languages and ocr_models.VERTICAL not in languages and _is_vertical(lines):
        lines, named, notes = _vertically(job, picture, lines, languages)
    # What is read out of photographs and rulings.
    lines = [line for line in lines if line.text and line.confidence >= _LEAST_CONFIDENCE]
    scale = _POINTS_PER_INCH / dpi
    return OcrPage(
        tuple(
            OcrLine(
                line.text,
                Box(*(edge * scale for edge in turned_back(line.box, width, height, quarters))),
                min(1.0, max(0.0, line.confidence)),
                line.block,
            )
            for line in lines
        ),
        _mean(lines),
        engine.version(named),
        quarters * 90,
        notes if lines else (),
    )


def _check(pixels: bytes, width: int, height: int, dpi: float) -> None:
    if min(width, height) < _LEAST_SIDE or width * height > _MAX_PIXELS or len(pixels) != width * height:
        raise InvalidInputError(
            f"A picture of {width} by {height} pixels in {len(pixels)} bytes can't be read.",
            f"Give one byte a pixel, at least {_LEAST_SIDE} each way, and at most {_MAX_PIXELS // 1_000_000} million.",
        )
    if not _DPI[0] <= dpi <= _DPI[1]:
        raise InvalidInputError(f"A picture at {dpi:g} dpi can't be read.", "Draw the page at 150 to 300 dpi.")


def _vertically(
    job: Job, picture: Picture, lines: list[RawLine], languages: Sequence[str]
) -> tuple[list[RawLine], str, tuple[str, ...]]:
    """Read a page of vertical lines again with the model for them; returns lines, languages and notes."""
    folder = ocr_models.find_folder(ocr_models.VERTICAL)
    if folder is None:
        return _set_anew(job, picture, lines, languages), "+".join(languages), (VERTICAL_NOTE,)
    named = "+".join([ocr_models.VERTICAL, *ocr_models.present(folder, languages)])
    return engine.read(job, picture, folder, named), named, ()


def _set_anew(job: Job, picture: Picture, lines: list[RawLine], languages: Sequence[str]) -> list[RawLine]:
    """Read columns as lines made of their characters; what is not better so stays as it was read."""
    lines = [line for line in lines if not any(_is_piece_of(line, other) for other in lines)]
    columns = [line for line in lines if line.vertical]
    anew = reset(picture, [line.box for line in columns])
    if anew is None:
        return lines
    page = engine.Picture(anew.pixels, anew.width, anew.height, picture.dpi)
    found = engine.read(job, page, ocr_models.folder_of(languages), "+".join(languages), one_block=True)
    read: list[RawLine] = []
    for number, column in enumerate(columns):
        same = [line for line in found if (line.box[1] + line.box[3]) // 2 // anew.line_height == number]
        text = "".join(line.text for line in same)
        read.append(replace(column, text=text, confidence=_mean(same)))
    if _mean(read) <= _mean(columns):
        return lines
    by_column = {id(old): new for old, new in zip(columns, read, strict=True)}
    return [by_column.get(id(line), line) for line in lines if line.vertical or line.confidence >= _SURE]


def _is_piece_of(line: RawLine, other: RawLine) -> bool:
    """Tell whether a line is a character that was found in a column a second time."""
    left, top, right, bottom = line.box
    return (
        other.vertical
        and bottom - top < (other.box[3] - other.box[1]) / 2
        and other.box[0] <= (left + right) / 2 <= other.box[2]
        and other.box[1] <= top
        and bottom <= other.box[3]
    )


def _is_vertical(lines: Sequence[RawLine]) -> bool:
    return 2 * sum(line.vertical for line in lines) > len(lines)


def _mean(lines: Sequence[RawLine]) -> float:
    """Average the confidence over characters."""
    characters = sum(len(line.text) for line in lines)
    return sum(len(line.text) * line.confidence for line in lines) / max(characters, 1)
