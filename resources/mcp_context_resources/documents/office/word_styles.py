"""Styles of a Word document: what they say of a paragraph: heading level, numbering, whether it is shown."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
"""The namespace of WordprocessingML, as lxml writes it."""

_HEADING: Final = re.compile(
    r"(?:heading|見出し|표제|标题|標題|titre|überschrift|título|titolo)\s*([1-9])", re.IGNORECASE
)
_TITLES: Final = frozenset({"title", "表題", "タイトル", "題名"})
_DEEPEST: Final = 6
_LONGEST_CHAIN: Final = 20


@dataclass(frozen=True, slots=True)
class Style:
    """What a style and those it is based on amount to; None where they say nothing."""

    level: int | None = None
    number: str | None = None
    depth: int | None = None
    bold: bool | None = None
    italic: bool | None = None
    hidden: bool | None = None
    code: bool = False


class Styles:
    """The styles of a document by identifier."""

    def __init__(self, part: Any | None) -> None:
        self._elements = {
            element.get(f"{W}styleId"): element for element in (part.iterfind(f"{W}style") if part is not None else ())
        }
        self._known: dict[str, Style] = {}
        self.default = next(
            (
                identifier
                for identifier, element in self._elements.items()
                if element.get(f"{W}type") == "paragraph" and is_on(element.get(f"{W}default"))
            ),
            "",
        )

    def get(self, identifier: str) -> Style:
        """Return a style by its identifier; an empty one when there is none."""
        if identifier not in self._known:
            self._known[identifier] = self._resolved(identifier)
        return self._known[identifier]

    def _resolved(self, identifier: str) -> Style:
        merged: dict[str, Any] = {}
        seen: set[str] = set()
        while identifier in self._elements and identifier not in seen and len(seen) < _LONGEST_CHAIN:
            seen.add(identifier)
            element = self._elements[identifier]
            for key, value in _own(element).items():
                merged.setdefault(key, value)
            based_on = element.find(f"{W}basedOn")
            identifier = "" if based_on is None else based_on.get(f"{W}val") or ""
        return Style(**merged)


def is_on(value: str | None) -> bool:
    """Read a switch of WordprocessingML; one without a value is on where it stands."""
    return value is not None and value.lower() not in ("0", "false", "off", "none")


def switch(properties: Any, name: str) -> bool | None:
    """Return what run properties say of a switch such as `b`; None when they don't mention it."""
    found = properties.find(f"{W}{name}") if properties is not None else None
    return None if found is None else is_on(found.get(f"{W}val", "1"))


def outline_level(properties: Any) -> int | None:
    """Return the heading level, from 1, that paragraph properties give; 0 for body text, None for nothing."""
    found = properties.find(f"{W}outlineLvl") if properties is not None else None
    value = found.get(f"{W}val") if found is not None else None
    if value is None or not value.isdigit():
        return None
    return min(int(value) + 1, _DEEPEST) if int(value) < 9 else 0


def numbering(properties: Any) -> tuple[str | None, int | None]:
    """Return list and level, from 0, that paragraph properties give."""
    found = properties.find(f"{W}numPr") if properties is not None else None
    if found is None:
        return None, None
    number, depth = found.find(f"{W}numId"), found.find(f"{W}ilvl")
    level = depth.get(f"{W}val") if depth is not None else None
    return (number.get(f"{W}val") if number is not None else None), int(level) if level and level.isdigit() else None


def _own(element: Any) -> dict[str, Any]:
    name_element = element.find(f"{W}name")
    name = "" if name_element is None else unicodedata.normalize("NFKC", name_element.get(f"{W}val") or "").strip()
    paragraph, run = element.find(f"{W}pPr"), element.find(f"{W}rPr")
    number, depth = numbering(paragraph)
    heading = _HEADING.fullmatch(name)
    level = min(int(heading[1]), _DEEPEST) if heading else 1 if name.lower() in _TITLES else outline_level(paragraph)
    found = {
        "level": level,
        "number": number,
        "depth": depth,
        "bold": switch(run, "b"),
        "italic": switch(run, "i"),
        "hidden": switch(run, "vanish"),
        "code": True if name.lower() in ("html preformatted", "source code", "preformatted text") else None,
    }
    return {key: value for key, value in found.items() if value is not None}
