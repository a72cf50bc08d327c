"""Other table finders, run in an environment of their own that is made once."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Final

from bench.measure import BenchError
from bench.rival_environment import installed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.pdf_table_scores import FoundTable

PDFPLUMBER: Final = "pdfplumber 0.11.10"
PDF_MCP: Final = "pdf-mcp 3.5.0"
_REQUIREMENTS: Final = ("pdfplumber==0.11.10", "pdf-mcp==3.5.0")
_SECONDS: Final = 1200.0

# Runs in the rivals' environment: pages by path on standard input, tables and seconds on standard output.
_PROGRAM: Final = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
name, pages = json.load(sys.stdin)
def plumber(path, numbers):
    import pdfplumber
    with pdfplumber.open(path) as document:
        for number in numbers:
            started = time.perf_counter()
            page = document.pages[number - 1]
            tables = [[[cell or "" for cell in row] for row in table] for table in page.extract_tables()]
            yield tables, time.perf_counter() - started
            page.close()
def server(path, numbers):
    from pdf_mcp.extractor import extract_tables_for_pages
    for number in numbers:
        started = time.perf_counter()
        answer = extract_tables_for_pages(path, [number - 1])["tables"].get(str(number - 1), [])
        tables = [[table["header"], *table["rows"]] for table in answer]
        yield tables, time.perf_counter() - started
find = plumber if name.startswith("pdfplumber") else server
json.dump([list(find(path, numbers)) for path, numbers in pages], sys.stdout)
"""


def rival_tables(name: str, pages: Sequence[tuple[str, list[int]]]) -> list[list[tuple[list[FoundTable], float]]]:
    """Return what a rival finds: for each file and page (counted from 1) its tables, and the seconds taken.

    Raises `BenchError` where it can't be installed or fails.
    """
    python = installed("pdf-table-rivals", _REQUIREMENTS)
    try:
        done = subprocess.run(
            [str(python), "-c", _PROGRAM],
            input=json.dumps([name, pages]),
            check=True,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
        raise BenchError(f"{name} failed: {reason}") from error
    return [[(tables, seconds) for tables, seconds in file] for file in json.loads(done.stdout)]
