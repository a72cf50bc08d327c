"""What the local model does through the server, beside `llama_cpp` called directly with the same file and threads.

Speed and a second question on one document (`model_speed`), rows by label (`model_rows`, texts from
`model_label_data`), JSON by schema (`model_validity`), and a killed process (`model_killed`).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.measure import BenchError, Row, Table, show_part
from bench.model_direct import Direct
from bench.model_killed import killed
from bench.model_label_data import Labelled, help_pages, opinions
from bench.model_rows import Sorting, put_texts
from bench.model_speed import put_document, second_question, speed
from bench.model_validity import validity
from bench.serving import connected, our_arguments
from mcp_context_resources.errors import ContextError
from mcp_context_resources.models.registry import HOW_TO_GET_ONE, Registry, runtime_installed
from mcp_context_resources.models.router import Requirements, choose
from mcp_context_resources.models.service import Models
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workspace.catalogue import Catalogue
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_context_resources.workspace.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.client.client import Client

    from bench.measure import Options
    from mcp_context_resources.models.router import Choice

_TITLE: Final = "the local model over stdio, against llama_cpp in process"
_CONTEXT: Final = 8192
_CACHE_BYTES: Final = 1 << 30
_DATA: Final[dict[str, Callable[[], Labelled]]] = {
    "opinions": opinions,
    "help_english": lambda: help_pages("en"),
    "help_japanese": lambda: help_pages("ja"),
}
_ROWS: Final = {"opinions": 200, "help_english": 100, "help_japanese": 40}
_QUICK_ROWS: Final = {"opinions": 100, "help_english": 40}
_KILLED_ROWS: Final = 400
_QUICK_KILLED_ROWS: Final = 200


async def run(options: Options) -> Table:
    """Measure all there is to measure, or say that there is no model."""
    model = chat_model()
    if model is None:
        return Table("model", _TITLE, notes=("Skipped: no local model is installed.", HOW_TO_GET_ONE))
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        data, notes = _labelled()
        served = scratch / "data"
        served.mkdir()
        put_document(served)
        for name, labelled in data.items():
            put_texts(served / f"{name}.csv", labelled.texts)
        settings = (f"models.context_tokens={_CONTEXT}", f"models.chat={model.source.name}", "budget.max_chars=100000")
        rows: list[Row] = []
        direct = Direct(model.source.path, _CONTEXT)
        try:
            async with connected(our_arguments(served, scratch=scratch, settings=settings), scratch) as client:
                parts: dict[str, Callable[[], Awaitable[tuple[list[Row], list[str]]]]] = {
                    "speed": lambda: speed(client, direct, options),
                    "a second question": lambda: second_question(client, direct, options),
                    "labels": lambda: _sorting(client, direct, model, data, options, scratch),
                    "extract": lambda: validity(client, direct, options),
                }
                for name, measure in parts.items():
                    print(f"model: {name} ...", file=sys.stderr, flush=True)
                    found = await measure()
                    show_part("model", name, *found)
                    rows += found[0]
                    notes += found[1]
        finally:
            direct.close()
        if "opinions" in data:
            count = _QUICK_KILLED_ROWS if options.quick else _KILLED_ROWS
            print("model: a killed process ...", file=sys.stderr, flush=True)
            found = await killed(scratch, model.source.path, data["opinions"].part(0, count))
            rows += found[0]
            notes += found[1]
    first = f"{model.source.name} ({model.card.quantization}), {available_cores()} threads."
    return Table("model", _TITLE, tuple(rows), (first, *notes))


def chat_model() -> Choice | None:
    """Return the model that a server without settings would write with; None where there is none."""
    if not runtime_installed():
        return None
    settings = ModelSettings()
    registry = Registry(settings)
    candidates = registry.cards(registry.models(Catalogue(())))
    try:
        return choose(candidates, Requirements("chat"), settings)
    except ContextError:
        return None


def _labelled() -> tuple[dict[str, Labelled], list[str]]:
    """Return the data sets that can be had, and notes on the others."""
    data: dict[str, Labelled] = {}
    notes: list[str] = []
    for name, load in _DATA.items():
        try:
            data[name] = load()
        except BenchError as error:
            notes.append(f"Without {name}: {error}")
    return data, notes


async def _sorting(
    client: Client, direct: Direct, model: Choice, data: dict[str, Labelled], options: Options, scratch: Path
) -> tuple[list[Row], list[str]]:
    speeds: list[Row] = []
    shares: list[Row] = []
    notes: list[str] = []
    settings = ModelSettings(context_tokens=_CONTEXT)
    models = Models(Workspace(WorkspaceSettings(), {}), settings, scratch / "uncalibrated", _CACHE_BYTES)
    try:
        for name, count in (_QUICK_ROWS if options.quick else _ROWS).items():
            if name not in data:
                continue
            sorting = Sorting(client, direct, models, model, name, data[name])
            await sorting.warm_up()
            await sorting.measure(count)
            speeds += sorting.speed_rows()
            shares += sorting.accuracy_rows()
            notes += sorting.notes()
    finally:
        await models.aclose()
    return [*speeds, *shares], notes
