"""Whether values a model gives for a text occur in it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SPACE: Final = re.compile(r"\s+")
_THOUSANDS: Final = re.compile(r"(?<=\d)[,'\u00a0\u202f ](?=\d{3}(?!\d))")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")


def not_in_text(values: Mapping[str, Any], text: str, schema: Mapping[str, Any]) -> list[str]:
    """Name the properties with a string or number that the text doesn't have; those chosen from a list are left out.

    Width, case, white space and marks between thousands make no difference.
    """
    plain = _plain(text)
    numbers = {float(found) for found in _NUMBER.findall(_THOUSANDS.sub("", plain))}
    bare = _SPACE.sub("", plain)
    properties = schema.get("properties", {})
    return [
        name
        for name, value in values.items()
        if not _is_chosen(properties.get(name)) and not all(_occurs(leaf, bare, numbers) for leaf in _leaves(value))
    ]


def _occurs(leaf: str | float, bare: str, numbers: set[float]) -> bool:
    if isinstance(leaf, str):
        return _SPACE.sub("", _plain(leaf)) in bare
    return abs(leaf) in numbers


def _leaves(value: Any) -> Iterator[str | float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value


def _is_chosen(part: Any) -> bool:
    return isinstance(part, dict) and ("enum" in part or "const" in part)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
