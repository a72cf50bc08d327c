"""Scanned pages, which are only pictures: read by text recognition, once for a version of their file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.cache import Cache
from mcp_context_resources.documents.clean_text import clean_line
from mcp_context_resources.documents.geometry import Box
from mcp_context_resources.documents.ocr_models import engine_version
from mcp_context_resources.documents.pdf.rendering import grey_pixels
from mcp_context_resources.documents.reading.open_document import PageText
from mcp_context_resources.errors import OcrUnavailableError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pypdfium2

    from mcp_context_resources.documents.ocr.recognise import OcrPage
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_VERSION: Final = 1
_DPI: Final = 200.0
SCAN: Final = "a scanned picture without a text layer; view image shows it"
_HOW: Final = "with pip install 'fresh-context[ocr]' its text can be read"
_OFF: Final = "documents.ocr is off, so its text is not read"


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """Text read from a picture; `spans` are the lines: from, to, where on the page."""

    text: str
    spans: tuple[tuple[int, int, Box], ...]

    def boxes(self, start: int, end: int) -> list[Box]:
        """Return where characters `start` to `end` stand; within a line as if all were of one width."""
        found = []
        for first, last, box in self.spans:
            low, high = max(first, start), min(last, end)
            if low < high:
                found.append(_share(box, (low - first) / (last - first), (high - first) / (last - first)))
        return found


def recognised(
    job: Job, file: DocumentFile, document: pypdfium2.PdfDocument, index: int
) -> tuple[PageText, RecognisedText]:
    """Read a page that is a picture; without recogniser its text is empty and the problem says why.

    Raises `DeadlineExceededError`.
    """
    version = engine_version()
    if not file.ocr or version is None:
        return _unread(_HOW if file.ocr else _OFF)
    cache = Cache(Path(file.cache_dir), "documents", file.max_cache_bytes) if file.cache_dir else None
    name = _file_name(file, index, version)
    kept = _kept(cache, name)
    if kept is None:
        try:
            kept = _as_json(_read(job, file, document, index))
        except OcrUnavailableError as error:
            return _unread(f"{error.message.rstrip('.')} ({error.hint})")
        _keep(cache, name, kept)
    return _placed(kept)


def _read(job: Job, file: DocumentFile, document: pypdfium2.PdfDocument, index: int) -> OcrPage:
    from mcp_context_resources.documents.ocr.recognise import recognise

    pixels, width, height, dpi = grey_pixels(document, index, _DPI)
    return recognise(job, pixels, width, height, dpi=dpi, languages=file.languages)


def _unread(why: str) -> tuple[PageText, RecognisedText]:
    return PageText("", "pdfium", problem=f"{SCAN}, {why}"), RecognisedText("", ())


def _placed(kept: dict[str, Any]) -> tuple[PageText, RecognisedText]:
    parts: list[str] = []
    spans: list[tuple[int, int, Box]] = []
    length, block = 0, None
    for line in kept["lines"]:
        if parts:
            parts.append("\n" if line["block"] == block else "\n\n")
            length += len(parts[-1])
        text = clean_line(line["text"])
        parts.append(text)
        spans.append((length, length + len(text), Box(*line["box"])))
        length += len(text)
        block = line["block"]
    text = "".join(parts)
    problem = " ".join(kept["notes"])
    page = PageText(text, kept["engine"], confidence=kept["confidence"], problem=problem)
    return page, RecognisedText(text, tuple(spans))


def _share(box: Box, start: float, end: float) -> Box:
    if box.height > 2 * box.width:
        return box._replace(top=box.top + start * box.height, bottom=box.top + end * box.height)
    return box._replace(left=box.left + start * box.width, right=box.left + end * box.width)


def _as_json(page: OcrPage) -> dict[str, Any]:
    return {
        "engine": page.engine,
        "confidence": page.confidence,
        "notes": _notes(page),
        "lines": [{"text": line.text, "box": line.box, "block": line.block} for line in page.lines if line.text],
    }


def _notes(page: OcrPage) -> Sequence[str]:
    turned = [f"The scan is turned by {page.rotation} degrees; it was read upright."] if page.rotation else []
    return [*turned, *page.notes]


def _kept(cache: Cache | None, name: str) -> dict[str, Any] | None:
    path = cache.get(name) if cache is not None else None
    if path is None:
        return None
    try:
        kept: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return kept


def _keep(cache: Cache | None, name: str, kept: dict[str, Any]) -> None:
    if cache is None:
        return
    try:
        with cache.create(name) as target:
            target.write(json.dumps(kept, ensure_ascii=False).encode())
    except (StorageError, OSError):  # a full disk must not cost the page that was just read
        return


def _file_name(file: DocumentFile, index: int, version: str) -> str:
    made_of = f"{file.fingerprint}\0{index}\0{version}\0{file.languages}\0{_DPI}\0{_VERSION}"
    return f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.json"
