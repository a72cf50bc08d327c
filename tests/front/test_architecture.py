"""Architecture: the house is as its map says, and its rooms keep their borders."""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grimp
import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
NOUNS = "mcp_context_resources"
SHARED = {
    "tables": (
        "embedded_texts",
        "json_values",
        "missing_table",
        "model_tables.journal",
        "model_tables.spec",
        "quoting",
        "reader",
        "result_rows",
        "spec",
    ),
    "documents": (
        "clean_text",
        "converted",
        "geometry",
        "markdown_table",
        "ocr_models",
        "page_problems",
        "page_range",
        "reader",
        "spec",
    ),
    "index": ("analysis", "spec", "store"),
    "models": ("formats", "json_schema", "model_card", "patterns", "spec"),
    "charts": ("spec",),
}
"""What the face and the engine of a room both need; `docs/architecture.md` names the same."""


def map_of_the_house() -> ModuleType:
    spec = spec_from_file_location("draw_map", ROOT / "docs" / "draw_map.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("mcp_server", "mcp_context_tools", NOUNS)


def test_the_drawings_are_those_of_the_imports_as_they_are_now() -> None:
    drawn = map_of_the_house()
    page = drawn.PAGE.read_text(encoding="utf-8")
    assert drawn.page_with_drawings(page) == page, "run: uv run python docs/draw_map.py"


def test_no_modules_import_each_other_in_a_circle_not_even_for_types(graph: grimp.ImportGraph) -> None:
    left = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    while free := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in free:
            del left[module]
    assert not left


@pytest.mark.parametrize("room", SHARED)
def test_an_engine_knows_of_its_room_only_what_both_sides_need(room: str, graph: grimp.ImportGraph) -> None:
    engines = {f"{NOUNS}.{room}.{folder}" for folder in map_of_the_house().ENGINES[room]}
    shared = {f"{NOUNS}.{room}.{name}" for name in SHARED[room]}

    def lies_in(module: str, places: set[str]) -> bool:
        return any(module == place or module.startswith(f"{place}.") for place in places)

    known: dict[str, list[str]] = defaultdict(list)
    for module in graph.modules:
        if lies_in(module, engines):
            for imported in graph.find_modules_directly_imported_by(module):
                if lies_in(imported, {f"{NOUNS}.{room}"}) and not lies_in(imported, engines | shared):
                    known[imported].append(module)
    assert not known


def test_the_page_names_what_both_sides_of_a_room_need() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = dict(line.removeprefix("| `").split("` |", 1) for line in page.splitlines() if line.startswith("| `"))
    for room, names in SHARED.items():
        assert all(f"`{name}`" in rows[room] for name in names)


def test_every_engine_is_protected_by_a_contract() -> None:
    contracts: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    protected = {module for one in contracts if one["type"] == "protected" for module in one["protected_modules"]}
    for room, folders in map_of_the_house().ENGINES.items():
        assert {f"{NOUNS}.{room}.{folder}" for folder in folders} <= protected
