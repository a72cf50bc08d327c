"""Pages a second of a long PDF, read over stdio and by the PDF libraries themselves."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.measure import OURS, SECONDS, BenchError, Table, interleaved, paired, timed
from bench.serving import EXAMPLE_DATA, call, connected, our_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.client.client import Client

    from bench.measure import Contender, Options, Sample

_COPIES: Final = 30
_QUICK_COPIES: Final = 8
_PDFIUM: Final = "pypdfium2, in process"
_PYPDF: Final = "pypdf, in process"
_PAGES_PER_SECOND: Final = "pages/s"


async def run(options: Options) -> Table:
    """Measure the first reading in a new server, then readings in one that runs."""
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        book = scratch / "data" / "book.pdf"
        book.parent.mkdir()
        pages = _write_book(book, _QUICK_COPIES if options.quick else _COPIES)
        arguments = our_arguments(book.parent, scratch=scratch, settings=("budget.max_chars=1000000",))

        async def first_reading() -> Sample:
            async with connected(arguments, scratch) as client:
                return await _ours(client, pages)()

        first = await interleaved({OURS: first_reading, _PDFIUM: _rival(_pdfium, book, pages)}, runs=options.runs)
        async with connected(arguments, scratch) as client:
            warm = await interleaved(
                {
                    OURS: _ours(client, pages),
                    _PDFIUM: _rival(_pdfium, book, pages),
                    _PYPDF: _rival(_pypdf, book, pages),
                },
                runs=options.runs,
            )
        size = book.stat().st_size
    return Table(
        "documents",
        f"read_document over stdio; the example guides bound into one PDF of {pages} pages ({size / 1e6:.1f} MB)",
        (
            paired("first reading of a server", first, _PDFIUM, key=_PAGES_PER_SECOND, unit="pages/s"),
            paired("warm reading", warm, _PDFIUM, key=_PAGES_PER_SECOND, unit="pages/s"),
            paired("warm reading", warm, _PYPDF, key=_PAGES_PER_SECOND, unit="pages/s"),
        ),
        ("budget.max_chars=1000000, so that one call brings every page; the libraries open the file each time.",),
    )


def _write_book(path: Path, copies: int) -> int:
    """Bind the example guides into one PDF, again and again; return its pages."""
    from pypdf import PdfWriter

    with PdfWriter() as writer:
        for _ in range(copies):
            for guide in sorted((EXAMPLE_DATA / "guides").glob("*.pdf")):
                writer.append(guide)
        writer.write(path)
        return len(writer.pages)


def _ours(client: Client, pages: int) -> Contender:
    """Read the whole document, going on where an answer was cut."""

    async def read() -> None:
        count, more = 0, {"pages": f"1-{pages}", "offset": 0}
        while more:
            answer = await call(client, "read_document", {"document": "book.pdf", **more})
            count += len(answer["pages"])
            more = answer.get("next", {})
        if count != pages:
            raise BenchError(f"read_document gave {count} pages of {pages}.")

    return _as_rate(timed(read), pages)


def _rival(reader: Callable[[Path], int], book: Path, pages: int) -> Contender:
    async def read() -> None:
        if reader(book) != pages:
            raise BenchError("A library found another number of pages.")

    return _as_rate(timed(read), pages)


def _as_rate(contender: Contender, pages: int) -> Contender:
    async def rate() -> Sample:
        return {_PAGES_PER_SECOND: pages / (await contender())[SECONDS]}

    return rate


def _pdfium(book: Path) -> int:
    import pypdfium2

    document = pypdfium2.PdfDocument(book)
    read = 0
    for page in document:
        content = page.get_textpage()
        read += bool(content.get_text_range())
        content.close()
        page.close()
    document.close()
    return read


def _pypdf(book: Path) -> int:
    from pypdf import PdfReader

    with PdfReader(book) as reader:
        return sum(bool(page.extract_text()) for page in reader.pages)
