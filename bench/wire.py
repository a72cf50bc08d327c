"""The wire: starting, listing, small calls and a long run over stdio, beside a bare SDK server and Google's Toolbox."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import Table, show_part
from bench.wire_calls import call_rows
from bench.wire_rivals import starters
from bench.wire_soak import soak_rows
from bench.wire_start import start_rows

if TYPE_CHECKING:
    from bench.measure import Options


async def run(options: Options) -> Table:
    """Measure the start, small calls and a soak; each part is shown as soon as it is there."""
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        servers, notes = starters(scratch)
        start, start_notes = await start_rows(servers, scratch, options)
        show_part("wire", "start", start, (*start_notes, *notes))
        calls, call_notes = await call_rows(servers, scratch, options)
        show_part("wire", "small calls", calls, call_notes)
        soak, soak_notes = await soak_rows(scratch, options)
    return Table(
        "wire",
        "over stdio: spawn to answer, idle, with every core busy and from a cold disk; small calls; a long run",
        (*start, *calls, *soak),
        (*start_notes, *notes, *call_notes, *soak_notes),
    )
