"""Ruby: small readings beside Japanese characters, written in brackets behind the characters they belong to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.pdf.lines import GENERATED, Line, Piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.fragments import Fragment, PageCharacters

_SMALL: Final = 0.66
_KANA: Final = re.compile("[\u3041-\u30ff\uff66-\uff9f\u3000 ]+")
_BASE: Final = re.compile("[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_NEAR: Final = 0.45
_REACH: Final = 6
_MAX_READINGS: Final = 400


def set_apart(
    fragments: Sequence[Fragment], *, vertical: bool
) -> tuple[list[Fragment], list[tuple[Fragment, Fragment]]]:
    """Part fragments into text and readings, each reading with the fragment it stands beside."""
    if len(fragments) < 2:
        return list(fragments), []
    largest = max(fragment.size for fragment in fragments)
    text: list[Fragment] = []
    readings: list[tuple[Fragment, Fragment]] = []
    for place, fragment in enumerate(fragments):
        base = None
        if fragment.size <= _SMALL * largest and len(readings) < _MAX_READINGS and _KANA.fullmatch(fragment.text):
            near = fragments[max(0, place - _REACH) : place + _REACH + 1]
            bases = [other for other in near if _is_beside(fragment, other, vertical=vertical)]
            base = max(bases, key=lambda other: _shared(fragment.box, other.box, vertical=vertical), default=None)
        if base is None:
            text.append(fragment)
        else:
            readings.append((fragment, base))
    return text, readings


def insert(line: Line, readings: Sequence[Fragment], characters: PageCharacters, *, vertical: bool) -> None:
    """Write readings into a line made of one fragment, each behind the last character that it stands beside."""
    base = line.pieces[0]
    boxes = [characters.boxes(base.index(place), 1)[0] for place in range(len(base.text))]
    cuts: list[tuple[int, Fragment]] = []
    for reading in readings:
        beside = [
            place
            for place, box in enumerate(boxes)
            if _BASE.match(base.text[place]) and _is_centred(box, reading.box, vertical=vertical)
        ]
        cuts.append((max(beside) + 1 if beside else len(base.text), reading))
    cuts.sort(key=lambda cut: (cut[0], cut[1].first))
    pieces: list[Piece] = []
    done = 0
    for cut, reading in cuts:
        pieces += [base.part(done, cut)] if cut > done else []
        pieces += [Piece("(", GENERATED), Piece(reading.text.replace(" ", ""), reading.first), Piece(")", GENERATED)]
        done = cut
    pieces += [base.part(done, len(base.text))] if done < len(base.text) else []
    line.pieces = pieces


def _is_beside(reading: Fragment, base: Fragment, *, vertical: bool) -> bool:
    """Tell whether small text stands right above `base`, or in vertical text right of it."""
    if reading is base or reading.size > _SMALL * base.size or not _BASE.search(base.text):
        return False
    away = reading.box.left - base.box.right if vertical else base.box.top - reading.box.bottom
    return abs(away) <= _NEAR * base.size and _shared(reading.box, base.box, vertical=vertical) > 0


def _shared(one: Box, other: Box, *, vertical: bool) -> float:
    if vertical:
        return min(one.bottom, other.bottom) - max(one.top, other.top)
    return min(one.right, other.right) - max(one.left, other.left)


def _is_centred(box: Box, reading: Box, *, vertical: bool) -> bool:
    """Tell whether the middle of a character lies beside a reading."""
    if vertical:
        return reading.top <= (box.top + box.bottom) / 2 <= reading.bottom
    return reading.left <= (box.left + box.right) / 2 <= reading.right
