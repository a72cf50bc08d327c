"""Text recognised on pictures of pages, in a worker confined as the server's are."""

from __future__ import annotations

import ctypes
import importlib.util
import math
import multiprocessing
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pypdfium2
import pypdfium2.raw as pdfium
import pytest

from bench.ocr import ENGLISH, JAPANESE, Scan, character_errors, degraded, scan_of
from mcp_context_resources.documents import ocr_models
from mcp_context_resources.documents.ocr.engine import joined, turned, turned_back
from mcp_context_resources.documents.ocr.recognise import engine_version, recognise, system_folders
from mcp_context_resources.errors import DeadlineExceededError, InvalidInputError, OcrUnavailableError
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.job import CallBoard, Job
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp_context_resources.documents.ocr.recognise import OcrPage

pytestmark = pytest.mark.anyio

GUIDES = Path(__file__).parents[2] / "examples" / "data" / "guides"
DPI = 200
LANGUAGES = ("jpn", "eng")
PAGES = {JAPANESE: ("運行案内.pdf", 1), ENGLISH: ("passenger-handbook.pdf", 1)}
FONT = "noto_cjk_sans_jp_regular"
COLUMNS = (
    "鉄道の運行に関する案内をここに記す。列車は朝五時から夜十二時まで、",
    "十五分ごとに発車します。混雑する時間帯には特別な列車を増やすことが",
    "あります。運賃は区間によって定められ、子どもは半額になります。遅れ",
    "が生じたときは、駅の掲示と放送でお知らせします。忘れ物は終着駅の事",
    "務室で一週間保管し、その後は警察に届けます。定期券をお持ちの方は、",
)


def missing() -> str:
    """Say why text can't be recognised here; empty where it can."""
    if engine_version() is None:
        return "the extra ocr isn't installed"
    try:
        ocr_models.folder_of(LANGUAGES)
    except OcrUnavailableError as error:
        return error.message
    return ""


recognising = pytest.mark.skipif(bool(missing()), reason=missing() or "installed")


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    """One worker with four gigabytes of addresses that may read Python and the system's models."""
    confinement = Confinement(readable=system_folders(), memory_bytes=2 << 30)
    pool = WorkerPool("test", size=1, confinement=confinement)
    yield pool
    await pool.aclose()


async def read(pool: WorkerPool, scan: Scan, *, deadline: float = 60.0) -> OcrPage:
    recognising = partial(recognise, dpi=DPI, languages=LANGUAGES)
    return await pool.run(recognising, scan.pixels, scan.width, scan.height, deadline=deadline)


def error_rate(page: OcrPage, truth: str) -> float:
    errors, characters = character_errors(page.text, truth)
    return errors / characters


def guide(language: str) -> Scan:
    name, number = PAGES[language]
    return scan_of(GUIDES / name, number, language, DPI)


def on_its_side(scan: Scan, quarters: int) -> Scan:
    """Turn a scan anticlockwise."""
    pixels, width, height = turned(scan.pixels, scan.width, scan.height, quarters)
    return Scan(scan.language, scan.quality, pixels, width, height, scan.truth)


def job(seconds: float = 60.0) -> Job:
    return Job(CallBoard(multiprocessing.get_context("spawn")), seconds)


def vertical_page(path: Path) -> Scan:
    """Draw Japanese in columns from right to left, with the marks where vertical setting has them."""
    font_path = Path(str(importlib.util.find_spec(FONT).origin)).parent / "NotoSansCJKjp-Regular.otf"  # type: ignore[union-attr]
    data = font_path.read_bytes()
    document = pypdfium2.PdfDocument.new()
    page = document.new_page(595, 842)
    buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
    font = pdfium.FPDFText_LoadFont(document, buffer, len(data), pdfium.FPDF_FONT_TRUETYPE, 1)
    size, right = 11.0, 480.0
    for column, text in enumerate(COLUMNS):
        for row, char in enumerate(text):
            shown = pdfium.FPDFPageObj_CreateTextObj(document, font, size)
            utf16 = ctypes.create_string_buffer((char + "\0").encode("utf-16-le"))
            pdfium.FPDFText_SetText(shown, ctypes.cast(utf16, pdfium.FPDF_WIDESTRING))
            aside = 0.6 * size if char in "。、" else 0.0
            x, y = right - 2 * size * column + aside, 740 - 1.1 * size * row + aside
            pdfium.FPDFPageObj_Transform(shown, 1, 0, 0, 1, x, y)
            pdfium.FPDFPage_InsertObject(page, shown)
    page.gen_content()
    document.save(path)
    document.close()
    drawn = scan_of(path, 1, JAPANESE, DPI)
    return Scan(JAPANESE, drawn.quality, drawn.pixels, drawn.width, drawn.height, "".join(COLUMNS))


@pytest.mark.slow
@recognising
@pytest.mark.parametrize(("language", "most"), [(JAPANESE, 0.03), (ENGLISH, 0.02)])
async def test_a_clean_page_is_read_with_few_wrong_characters(pool: WorkerPool, language: str, most: float) -> None:
    scan = guide(language)
    page = await read(pool, scan)
    assert error_rate(page, scan.truth) < most
    assert page.confidence > 0.8
    assert page.engine.startswith("tesseract ")
    assert page.engine.endswith(" jpn+eng")
    assert (page.rotation, page.notes) == (0, ())


@pytest.mark.slow
@recognising
@pytest.mark.parametrize(("language", "most"), [(JAPANESE, 0.06), (ENGLISH, 0.03)])
async def test_a_grey_noisy_page_that_is_askew_is_read_nearly_as_well(
    pool: WorkerPool, language: str, most: float
) -> None:
    scan = degraded(guide(language))
    assert error_rate(await read(pool, scan), scan.truth) < most


@pytest.mark.slow
@recognising
@pytest.mark.parametrize("quarters", [1, 2, 3])
async def test_a_page_on_its_side_or_head_is_read_as_if_upright(pool: WorkerPool, quarters: int) -> None:
    scan = guide(ENGLISH)
    upright, page = await read(pool, scan), await read(pool, on_its_side(scan, quarters))
    assert page.text == upright.text
    assert page.rotation == 360 - 90 * quarters
    # The first line runs along the edge that was the top.
    first, (width, height) = page.lines[0].box, (595, 842)
    edge = {1: first.left, 2: height - first.bottom, 3: height - first.right}[quarters]
    assert math.isclose(edge, upright.lines[0].box.top, abs_tol=1.0)
    assert (first.height > first.width) == (quarters != 2)
    assert first.right <= (width if quarters == 2 else height)


@pytest.mark.slow
@recognising
async def test_lines_lie_where_the_page_has_them(pool: WorkerPool) -> None:
    page = await read(pool, guide(ENGLISH))
    document = pypdfium2.PdfDocument(GUIDES / PAGES[ENGLISH][0])
    text_page = document[0].get_textpage()
    words = "The Minato-no-Sato Tramway carries passengers"
    index, _ = text_page.search(words).get_next()
    left, bottom, _, top = text_page.get_charbox(index, loose=True)
    height = document[0].get_height()
    document.close()
    line = next(line for line in page.lines if line.text.startswith(words))
    assert math.isclose(line.box.left, left, abs_tol=2.0)
    assert height - top - 2 <= line.box.top < line.box.bottom <= height - bottom + 2


@pytest.mark.slow
@recognising
async def test_japanese_is_written_without_spaces_and_english_with_them(pool: WorkerPool) -> None:
    japanese, english = await read(pool, guide(JAPANESE)), await read(pool, guide(ENGLISH))
    assert "港線、丘線、運河線の3路線があり" in japanese.text
    assert "carries passengers between the railway station" in english.text


@pytest.mark.slow
@recognising
@pytest.mark.skipif(importlib.util.find_spec(FONT) is None, reason="the extra charts, whose font is used, is missing")
async def test_vertical_japanese_is_read_from_right_to_left(pool: WorkerPool, tmp_path: Path) -> None:
    scan = vertical_page(tmp_path / "vertical.pdf")
    page = await read(pool, scan)
    assert len(page.lines) == len(COLUMNS)
    assert all(line.box.height > 10 * line.box.width for line in page.lines)
    assert error_rate(page, scan.truth) < 0.1


@recognising
async def test_paper_without_text_has_no_lines(pool: WorkerPool) -> None:
    page = await read(pool, Scan(ENGLISH, "clean", b"\xff" * (600 * 800), 600, 800, ""))
    assert (page.lines, page.text, page.confidence) == ((), "", 0.0)


@pytest.mark.slow
@recognising
async def test_reading_stops_at_the_deadline_and_the_worker_reads_on(pool: WorkerPool) -> None:
    scan = guide(JAPANESE)
    await read(pool, scan)
    with pytest.raises(DeadlineExceededError):
        await read(pool, scan, deadline=0.05)
    assert error_rate(await read(pool, scan), scan.truth) < 0.03


@recognising
def test_the_version_names_library_and_models() -> None:
    version = engine_version()
    assert version is not None
    assert version.startswith("tesserocr ")
    assert " eng " in version
    assert " jpn " in version


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for language in LANGUAGES:
        (tmp_path / f"{language}.traineddata").touch()
    monkeypatch.setattr(ocr_models, "_folders", lambda: [tmp_path])
    monkeypatch.setitem(sys.modules, "tesserocr", None)
    with pytest.raises(OcrUnavailableError) as caught:
        recognise(job(), b"\xff" * 10_000, 100, 100, dpi=DPI, languages=LANGUAGES)
    assert "pip install 'fresh-context[ocr]'" in caught.value.hint


def test_a_missing_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "eng.traineddata").touch()
    monkeypatch.setattr(ocr_models, "_folders", lambda: [tmp_path])
    with pytest.raises(OcrUnavailableError, match="jpn") as caught:
        recognise(job(), b"\xff" * 10_000, 100, 100, dpi=DPI, languages=LANGUAGES)
    assert "pip install 'fresh-context[ocr]'" in caught.value.hint


@pytest.mark.parametrize("languages", [(), ("../../etc/passwd",), ("jpn+eng",), ("eng\0",), ("eng",) * 7])
def test_odd_languages_are_refused(languages: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError):
        ocr_models.folder_of(languages)


@pytest.mark.parametrize(
    ("size", "width", "height", "dpi"),
    [(9_999, 100, 100, 200.0), (0, 0, 0, 200.0), (10_000, -100, -100, 200.0), (10_000, 100, 100, math.nan)],
)
def test_a_picture_that_is_none_is_refused(size: int, width: int, height: int, dpi: float) -> None:
    with pytest.raises(InvalidInputError):
        recognise(job(), bytes(size), width, height, dpi=dpi, languages=LANGUAGES)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["港 の", "里", "電鉄", "は"], "港の里電鉄は"),
        (["こと", "。", "「", "駅", "」"], "こと。「駅」"),
        (["two", "plain", "words"], "two plain words"),
        (["JR", "線", "と", "bus", "stop"], "JR線とbus stop"),
        (["", "  ", "駅", ""], "駅"),
        ([], ""),
    ],
)
def test_words_are_joined_as_their_script_is_written(words: list[str], line: str) -> None:
    assert joined(words) == line


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_box_on_a_turned_picture_is_found_again_on_the_picture(quarters: int) -> None:
    width, height = 5, 3
    for mark in range(width * height):
        pixels, turned_width, turned_height = turned(
            bytes(int(place == mark) for place in range(width * height)), width, height, quarters
        )
        assert len(pixels) == turned_width * turned_height
        row, column = divmod(pixels.index(1), turned_width)
        back = turned_back((column, row, column + 1, row + 1), width, height, quarters)
        assert back == (mark % width, mark // width, mark % width + 1, mark // width + 1)


def test_a_quarter_turn_goes_against_the_clock() -> None:
    assert turned(b"abcdef", 3, 2, 1) == (b"cfbead", 2, 3)
