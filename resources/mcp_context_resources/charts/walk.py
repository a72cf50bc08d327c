"""Going over a Vega-Lite specification: every part of it, and its views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST: Final = 40
_LISTS_OF_VIEWS: Final = ("layer", "concat", "hconcat", "vconcat")


class Part(NamedTuple):
    """A value in a specification, where it is (`layer[0].data.url`) and the key it goes by."""

    path: str
    key: str
    value: Any


def parts(vega_lite: dict[str, Any]) -> Iterator[Part]:
    """Go over every keyed value of a specification; the rows of inline data are not looked into.

    Raises `InvalidInputError` when it is nested too deep.
    """
    stack: list[tuple[str, Any, int, bool]] = [("", vega_lite, 0, False)]
    while stack:
        path, node, depth, is_data = stack.pop()
        if depth > _DEEPEST:
            raise InvalidInputError("The spec is nested too deep.", "Give a flatter one.")
        if isinstance(node, list):
            stack += [(f"{path}[{index}]", item, depth + 1, False) for index, item in enumerate(node)]
        elif isinstance(node, dict):
            for key, value in node.items():
                place = f"{path}.{key}" if path else str(key)
                yield Part(place, key, value)
                if not (is_data and key == "values"):
                    stack.append((place, value, depth + 1, key == "data"))


def views(vega_lite: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Go over a specification's views: itself, and those it layers, places side by side or repeats."""
    yield vega_lite
    for key in _LISTS_OF_VIEWS:
        for view in _dicts(vega_lite.get(key)):
            yield from views(view)
    if isinstance(inner := vega_lite.get("spec"), dict):
        yield from views(inner)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
