"""SQL over stdio beside plain duckdb and beside another MCP server: time, bytes, memory, patience and safety."""

from __future__ import annotations

import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.grouping import edited_rows, first_rows, repeated_rows
from bench.measure import Table
from bench.runaway import runaway_rows
from bench.safety import safety_rows
from bench.serving import EXAMPLE_DATA, HELLO_SERVER
from bench.table_answers import SMALL_CALLS, memory_rows, small_rows, wide_rows
from bench.table_files import write_sales, write_wide
from bench.table_rivals import MOTHERDUCK, available_rival, our_server
from bench.wire_client import wired
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    from bench.measure import Options, Row
    from bench.table_files import TableFile
    from bench.table_rivals import TableServer

_SIZES: Final = (1_000_000, 10_000_000)
_QUICK_SIZES: Final = (100_000,)
_WIDE_ROWS: Final = 200_000


@dataclass(frozen=True, slots=True)
class _Material:
    sales: tuple[tuple[TableFile, TableFile], ...]
    wide: TableFile

    def sizes(self) -> str:
        files = [*(file for pair in self.sales for file in pair), self.wide]
        return "; ".join(f"{file.label} {file.size}" for file in files)


async def run(options: Options) -> Table:
    """Measure everything, the rival's part only where it can be installed."""
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        rival, missing = await available_rival(scratch / "home")
        sizes = _QUICK_SIZES if options.quick else _SIZES
        sales = [
            (write_sales(scratch / "data", rows, "csv"), write_sales(scratch / "data", rows, "parquet"))
            for rows in sizes
        ]
        material = _Material(tuple(sales), write_wide(scratch / "data", _WIDE_ROWS))
        rows: list[Row] = []
        for file in (file for pair in material.sales for file in pair):
            rows += await first_rows(file, scratch, options, rival)
        ours = our_server(scratch / "data", EXAMPLE_DATA, scratch=scratch)
        long_lived, notes = await _long_lived(ours, rival, material, scratch, options)
        patience, patience_note = await runaway_rows(material.sales[0][1], scratch, options, ours, rival)
        safety, safety_notes = await safety_rows(scratch, rival)
        rows += [*long_lived, *patience, *safety]
        title = f"query_tables over stdio; {material.sizes()}"
    return Table("tables", title, tuple(rows), (*missing, *_reading(), *notes, patience_note, *safety_notes))


async def _long_lived(
    ours: TableServer, rival: TableServer | None, material: _Material, scratch: Path, options: Options
) -> tuple[list[Row], tuple[str, ...]]:
    """Measure in servers that serve everything, one after the other, and what memory that leaves them with."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(ours.running(scratch))]
        if rival is not None:
            servers.append(await stack.enter_async_context(rival.running(scratch)))
        hello = await stack.enter_async_context(wired((sys.executable, str(HELLO_SERVER)), scratch))
        rows: list[Row] = []
        for csv, parquet in material.sales:
            rows += await repeated_rows(csv, parquet, scratch, options, servers)
        for csv, _ in material.sales:
            rows += await edited_rows(csv, scratch, options, servers)
        wide, wide_note = await wide_rows(material.wide, scratch, options, servers)
        rows += [*wide, *await small_rows(hello, options, servers)]
        memory, memory_note = memory_rows(servers, hello)
    return [*rows, *memory], (wide_note, memory_note)


def _reading() -> tuple[str, ...]:
    """Say what was measured how."""
    return (
        f"All engines with {available_cores()} threads; {MOTHERDUCK} brings a duckdb of its own.",
        "The client is raw JSON lines; statements and files are the same for all, read from a warm file system cache.",
        "First call of a server: connected, its engine's process is not yet started; plain duckdb starts Python, too.",
        "First of the file: the engine runs (SELECT 1 was answered), the file was never asked for.",
        "Aims leave out the protocol: see the round trip of SELECT 1.",
        "Ours makes a columnar copy of a CSV in the background after its first query: repeated calls are measured when",
        "that copy is there and the server at rest; 'no copy yet' is a server that makes none.",
        "An edit is a new modification time: ours reads the file itself again; the copy made afterwards is waited for.",
        f"Small calls are means of {SMALL_CALLS} a run. The bare SDK's tool answers one short line.",
    )
