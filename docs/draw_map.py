"""Map of the house, drawn from its imports: writes the drawings of `docs/architecture.md`.

    uv run python docs/draw_map.py            # writes them anew
    uv run python docs/draw_map.py --check    # exit status 1 where they are out of date

A room is a package of a floor; an engine's folder is a room of its own, since it runs in worker processes. A solid
arrow is an import, left out where others lead to the same room (transitive reduction); a dashed one a `WorkerFunction`:
what the face of a room calls in a worker process without importing it.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

import grimp

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "architecture.md"
FLOORS: Final = {
    "mcp_server": "Floor 2, the front: mcp_server",
    "mcp_context_tools": "Floor 1, the verbs: mcp_context_tools",
    "mcp_context_resources": "Floor 0, the nouns: mcp_context_resources",
}
SOURCES: Final = {"mcp_server": ROOT, "mcp_context_tools": ROOT / "tools", "mcp_context_resources": ROOT / "resources"}
ENGINES: Final = {
    "tables": ("duckdb_engine",),
    "index": ("local_engine", "ranking"),
    "documents": ("reading", "pdf", "office", "markup", "mail", "ocr"),
    "models": ("llama", "gguf"),
    "charts": ("vega_engine",),
}
"""Which folders of a room run in worker processes; those of one room are drawn as one."""

_TARGET: Final = re.compile(r'WorkerFunction\(\s*f?"([^"]+)"|_HOME: Final = "([^"]+)"')
Edge = tuple[str, str]


def room_of(module: str) -> str:
    """Return the room of a module: its package on its floor, with ` engine` behind it for what runs in workers."""
    floor, *rest = module.split(".")
    if not rest or not (SOURCES[floor] / floor / rest[0]).is_dir():
        return f"{floor}."
    if floor == "mcp_context_resources" and len(rest) > 1 and rest[1] in ENGINES.get(rest[0], ()):
        return f"{floor}.{rest[0]} engine"
    return f"{floor}.{rest[0]}"


def imports_between_rooms() -> dict[Edge, int]:
    """Count the imports from each room into each other one; those for types alone count, too."""
    graph = grimp.build_graph(*FLOORS)
    found: dict[Edge, int] = defaultdict(int)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            edge = room_of(module), room_of(imported)
            if edge[0] != edge[1]:
                found[edge] += 1
    return found


def calls_into_workers() -> set[Edge]:
    """Return which rooms name functions of which engines."""
    found: set[Edge] = set()
    for floor, base in SOURCES.items():
        for path in sorted((base / floor).rglob("*.py")):
            module = ".".join(path.relative_to(base).with_suffix("").parts)
            for match in _TARGET.finditer(path.read_text(encoding="utf-8")):
                target = next(filter(None, match.groups())).partition(":")[0]
                if target.partition(".")[0] in FLOORS and room_of(target).endswith(" engine"):
                    found.add((room_of(module), room_of(target)))
    return {edge for edge in found if edge[0] != edge[1]}


def reduced(edges: set[Edge]) -> set[Edge]:
    """Leave out each arrow to a room that a longer way leads to as well."""
    after: dict[str, set[str]] = defaultdict(set)
    for start, end in edges:
        after[start].add(end)

    def reaches(start: str, end: str, without: Edge) -> bool:
        seen, ahead = {start}, [start]
        while ahead:
            place = ahead.pop()
            for following in after[place]:
                if (place, following) == without or following in seen:
                    continue
                if following == end:
                    return True
                seen.add(following)
                ahead.append(following)
        return False

    return {edge for edge in edges if not reaches(edge[0], edge[1], edge)}


def _label(room: str) -> str:
    floor, _, name = room.partition(".")
    if not name:
        return {"mcp_server": "server, services, settings", "mcp_context_tools": "tools, one module each"}.get(
            floor, "errors, budget, cache, provenance …"
        )
    return name


def _key(room: str) -> str:
    return re.sub(r"\W", "_", room) or "root"


def floors_drawing(counts: dict[Edge, int]) -> str:
    """Draw the three floors with all rooms in Mermaid: arrows between rooms of floor 0 and the calls into workers."""
    rooms = sorted({room for edge in counts for room in edge})
    lines = ["flowchart TB"]
    for floor, title in FLOORS.items():
        lines.append(f'  subgraph {floor}["{title}"]')
        lines += [
            f'    {_key(room)}["{_label(room)}"]'
            for room in rooms
            if room.partition(".")[0] == floor and not room.endswith(" engine")
        ]
        lines.append("  end")
    lines.append('  subgraph workers_side["Worker processes, confined"]')
    lines += [f'    {_key(room)}[["{_label(room)}"]]' for room in rooms if room.endswith(" engine")]
    lines.append("  end")
    lines += ["  mcp_server --> mcp_context_tools --> mcp_context_resources"]
    lines += [f"  {_key(start)} -.-> {_key(end)}" for start, end in sorted(calls_into_workers())]
    return "\n".join(lines)


def rooms_drawing(counts: dict[Edge, int]) -> str:
    """Draw which room of floor 0 imports which in Mermaid."""
    nouns = "mcp_context_resources"
    edges = {edge for edge in counts if all(room.startswith(f"{nouns}.") for room in edge)}
    lines = ["flowchart TB"]
    for room in sorted({room for edge in edges for room in edge}):
        shape = ("[[", "]]") if room.endswith(" engine") else ("[", "]")
        lines.append(f'  {_key(room)}{shape[0]}"{_label(room)}"{shape[1]}')
    lines += [f"  {_key(start)} --> {_key(end)}" for start, end in sorted(reduced(edges))]
    return "\n".join(lines)


def page_with_drawings(page: str) -> str:
    """Return the page with its drawings as they are now."""
    counts = imports_between_rooms()
    for name, drawing in (("floors", floors_drawing(counts)), ("rooms", rooms_drawing(counts))):
        block = f"<!-- {name} -->\n```mermaid\n{drawing}\n```\n<!-- /{name} -->"
        before, _, rest = page.partition(f"<!-- {name} -->")
        page = before + block + rest.partition(f"<!-- /{name} -->")[2]
    return page


def main() -> int:
    """Write the drawings, or check them."""
    page = PAGE.read_text(encoding="utf-8")
    drawn = page_with_drawings(page)
    if "--check" in sys.argv[1:]:
        return int(page != drawn)
    PAGE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
