"""`python -m bench`: run benches and print one table for each."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

import anyio

from bench.measure import BenchError, Options, Table, as_json, render
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

BENCHES: Final = {
    "wire": "start, lists, small calls and a soak over stdio, against a bare mcp SDK server and Google's Toolbox",
    "tables": "query_tables against plain duckdb and another MCP server: speed, bytes, memory, safety",
    "documents": "read_document on real PDFs against the PDF libraries and other MCP servers: speed, text, bytes",
    "pdf_tables": "tables found in PDFs of known truth, against pdfplumber and another MCP server",
    "ocr": "text recognised on pictures of pages, against another engine",
    "fuzz": "thousands of damaged PDFs through one server: what breaks, and that the server doesn't",
    "search": "search and get_context: what is found beside other searches, speed, memory, changed files, kills",
    "model": "run_model against calling llama_cpp directly (skipped when no model is installed)",
}
_DEFAULT_RUNS: Final = 5
_QUICK_RUNS: Final = 2
_DISTRIBUTIONS: Final = ("mcp", "duckdb", "pypdfium2", "pypdf", "llama-cpp-python")
_READING = """\
reading a table:
  A figure is the median of all runs, with (least-greatest). The ratio is ours divided by the rival's in the same
  round: 1x is as good as the rival; below 1x is better for times and sizes, above 1x for pages/s and tokens/s.
  Contenders take turns (A B A B ...) after one round of warm-up, so a busy machine slows both.

examples:
  python -m bench                       all benches
  python -m bench wire tables           two of them
  python -m bench tables --runs 15      more runs where figures spread
  python -m bench --quick --json FILE   a first look, with every single value kept
"""


class _Bench(Protocol):
    """What each bench module offers."""

    async def run(self, options: Options) -> Table:
        """Measure."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benches named and return the exit status: 0 done, 1 one failed, 2 misused."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if unknown := [name for name in arguments.names if name not in BENCHES]:
        parser.error(f"there is no bench {unknown[0]!r}; there is {', '.join(BENCHES)}")
    runs = arguments.runs or (_QUICK_RUNS if arguments.quick else _DEFAULT_RUNS)
    if runs < 1:
        parser.error("--runs must be at least 1")
    print(_machine(), flush=True)
    tables: list[Table] = []
    failed = False
    for name in dict.fromkeys(arguments.names or BENCHES):
        try:
            table = anyio.run(_bench(name).run, Options(runs, arguments.quick))
        except BaseExceptionGroup as group:
            problems, others = group.split(BenchError)
            if problems is None or others is not None:
                raise
            failed = True
            print(f"\n{name}: failed: {_first(problems)}", file=sys.stderr)
        except BenchError as error:
            failed = True
            print(f"\n{name}: failed: {error}", file=sys.stderr)
        else:
            tables.append(table)
            print(f"\n{render(table)}", flush=True)
    if arguments.json:
        report = {"machine": _machine(), "tables": [as_json(table) for table in tables]}
        arguments.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    width = max(len(name) for name in BENCHES)
    benches = "\n".join(f"  {name.ljust(width)}  {summary}" for name, summary in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the server, always against a named rival or limit in the same run.",
        epilog=f"benches:\n{benches}\n\n{_READING}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a bench to run; all when none is named")
    parser.add_argument("--runs", type=int, metavar="N", help=f"rounds that count (default: {_DEFAULT_RUNS})")
    parser.add_argument("--quick", action="store_true", help=f"less material and {_QUICK_RUNS} rounds: a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every single value to FILE")
    return parser


def _bench(name: str) -> _Bench:
    return cast("_Bench", importlib.import_module(f"bench.{name}"))


def _first(group: BaseExceptionGroup[BenchError]) -> BaseException:
    """Return the first error in groups within groups, as task groups leave them."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _machine() -> str:
    """Describe what the figures depend on."""
    versions = []
    for name in _DISTRIBUTIONS:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {available_cores()} cores;"
        f" {', '.join(versions)}"
    )


if __name__ == "__main__":
    sys.exit(main())
