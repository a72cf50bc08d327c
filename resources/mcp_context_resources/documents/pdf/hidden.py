"""Hidden text, which a program reads but a person doesn't see: a common way to instruct a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from mcp_context_resources.documents.pdf import calls
from mcp_context_resources.documents.pdf.fragments import HYPHEN

if TYPE_CHECKING:
    import pypdfium2

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.fragments import Fragment, PageCharacters
    from mcp_context_resources.documents.pdf.frame import Frame

Hidden = tuple["Fragment", str]
"""A fragment and why it can't be seen."""

LostColumns = Literal["none", "plain", "mixed"]
"""Whether columns are lost: on a page with nothing to hide, or on one where others may be hidden."""

TINY_POINTS: Final = 1.6
"""Text of less is too small to see."""

NOT_DRAWN: Final = "drawn invisibly"
_OFF_PAGE: Final = "off the page"
_TINY: Final = "too small to see"
_SAME_COLOUR: Final = "in the colour of its background"
_TRANSPARENT: Final = "transparent"

_EVERY: Final = 8
_INVISIBLE_MODE: Final = 3
_TEXT_OBJECT: Final = 1  # FPDF_PAGEOBJ_TEXT of fpdf_edit.h
_FORM_OBJECT: Final = 5  # FPDF_PAGEOBJ_FORM
_MOST_OBJECTS: Final = 10_000
_LIGHT: Final = 0xE0
_NO_WIDTH: Final = 0.01
_COLUMN: Final = 4.0
_SEEN_CONTRAST: Final = 10
_MOST_JUDGED: Final = 2_000
_AROUND: Final = 3
_SCALE: Final = 0.6
_MOST_PIXELS: Final = 2_000


def part_hidden(
    page: pypdfium2.PdfPage, characters: PageCharacters, fragments: list[Fragment], frame: Frame
) -> tuple[list[Fragment], list[Hidden], LostColumns]:
    """Part the fragments of a page into those that are seen and those that are hidden.

    Tells, too, of vertical text that PDFium loses: it takes text of no width for nothing, as text is whose font neither
    the file nor the system has.
    """
    judge = _Judge(page, characters, frame)
    all_plain = judge.finds_nothing()
    seen: list[Fragment] = []
    hidden: list[Hidden] = []
    for fragment in fragments:
        place = _misplaced(fragment.box, fragment.size, frame)
        if place:
            hidden.append((fragment, place))
            continue
        if all_plain or judge.is_plain(fragment):
            seen.append(fragment)
            continue
        reasons = judge.sampled(fragment)
        if reasons == {""}:
            seen.append(fragment)
        elif len(reasons) == 1:
            hidden.append((fragment, reasons.pop()))
        else:
            for part, reason in _parts(fragment, judge, characters):
                if reason:
                    hidden.append((part, reason))
                else:
                    seen.append(part)
    return seen, hidden, "none" if not judge.loses_columns else "plain" if all_plain and not hidden else "mixed"


def _misplaced(box: Box, size: float, frame: Frame) -> str:
    if box.right <= 0 or box.bottom <= 0 or box.left >= frame.width or box.top >= frame.height:
        return _OFF_PAGE
    return _TINY if 0 < size < TINY_POINTS else ""


def _parts(fragment: Fragment, judge: _Judge, characters: PageCharacters) -> list[Hidden]:
    """Cut a fragment where it changes between seen and hidden."""
    indexes = [fragment.index(place) for place in range(len(fragment.text.rstrip(HYPHEN)))]
    reasons = [judge.reason(fragment, index) for index in indexes]
    parts: list[Hidden] = []
    start = 0
    for place in range(1, len(reasons) + 1):
        if place < len(reasons) and reasons[place] == reasons[start]:
            continue
        if fragment.text[start:place].strip():
            box = characters.boxes(indexes[start], 1)[0]
            for index in indexes[start + 1 : place]:
                box = box.union(characters.boxes(index, 1)[0])
            end = len(fragment.text) if place == len(reasons) else place
            parts.append((fragment.part(start, end, box), reasons[start]))
        start = place
    return parts


class _Judge:
    """Asks PDFium how characters are drawn; looks at the page itself only where their colour is suspicious."""

    def __init__(self, page: pypdfium2.PdfPage, characters: PageCharacters, frame: Frame) -> None:
        self._page = page
        self._address = characters.address
        self._characters = characters
        self._colour = calls.Colour()
        self._drawn: dict[int, str] = {}
        self._scale = min(_SCALE, _MOST_PIXELS / max(frame.width, frame.height, 1.0))
        self._picture: tuple[bytes, int, int, int] | None = None
        self._last = ""
        self._judged = 0
        self._embedded: dict[int | None, bool] = {}
        self._bounds = calls.Bounds()
        self.loses_columns = False
        """Whether a column was found whose characters have no width."""

    def finds_nothing(self) -> bool:
        """Tell whether no text on the page is drawn in a way that may leave it unseen; most pages are so.

        Looks for lost columns on the way.
        """
        page = calls.address_of(self._page.raw)
        objects = [calls.page_object(page, number) for number in range(min(calls.object_count(page), _MOST_OBJECTS))]
        looked_at, plain = 0, True
        while objects:
            drawn = objects.pop()
            looked_at += 1
            if looked_at >= _MOST_OBJECTS:
                return False
            kind = calls.object_type(drawn)
            if kind == _TEXT_OBJECT:
                reason = self._drawn[drawn] = self._how_drawn(drawn)
                plain = plain and not reason
                self.loses_columns = self.loses_columns or (not reason and self._is_lost(drawn))
            elif kind == _FORM_OBJECT:
                inside = min(calls.form_count(drawn), _MOST_OBJECTS)
                objects += [calls.form_object(drawn, number) for number in range(inside)]
        return plain

    def _is_lost(self, drawn: int) -> bool:
        font = calls.font_of(drawn)
        embedded = self._embedded.get(font)
        if embedded is None:
            embedded = self._embedded[font] = bool(calls.is_embedded(font))
        if embedded or not calls.bounds(drawn, *self._bounds.addresses):
            return False
        left, bottom, right, top = self._bounds.values
        return right - left < _NO_WIDTH and top - bottom > _COLUMN

    def is_plain(self, fragment: Fragment) -> bool:
        """Tell whether what draws a fragment leaves no question; the common case, and so the quick one."""
        known = self._drawn
        for drawn in self._drawing(fragment):
            if drawn is None:
                continue
            reason = known.get(drawn)
            if reason is None:
                reason = known[drawn] = self._how_drawn(drawn)
            if reason:
                return False
        return True

    def _drawing(self, fragment: Fragment) -> list[int | None]:
        """Return what draws a fragment: all that draws several of its characters, for an object's stand together."""
        address, text_object = self._address, calls.text_object
        last = fragment.first + fragment.count - 1
        found = [text_object(address, fragment.first), text_object(address, last)]
        open_ends = [(fragment.first, found[0], last, found[1])]
        while open_ends:
            low, drawn, high, other = open_ends.pop()
            if drawn == other or high - low <= _EVERY:
                continue
            middle = (low + high) // 2
            between = text_object(address, middle)
            found.append(between)
            open_ends += [(low, drawn, middle, between), (middle, between, high, other)]
        return found

    def sampled(self, fragment: Fragment) -> set[str]:
        """Tell for characters of a fragment why they can't be seen: its ends, and some between them."""
        last = fragment.first + fragment.count - 1
        return {self.reason(fragment, index) for index in (*range(fragment.first, last, _EVERY), last)}

    def reason(self, fragment: Fragment, index: int) -> str:
        """Tell why a character can't be seen; an empty string where it can, as far as that is known."""
        drawn = calls.text_object(self._address, index)
        if drawn is None:  # a space that PDFium put in
            return self._last
        reason = self._drawn.get(drawn)
        if reason is None:
            reason = self._drawn[drawn] = self._how_drawn(drawn)
        self._last = self._against_background(fragment, index) if reason == _SAME_COLOUR else reason
        return self._last

    def _how_drawn(self, drawn: int) -> str:
        """Tell what an object's text is: of light colour it may be hidden, depending on what is behind it."""
        if calls.render_mode(drawn) == _INVISIBLE_MODE:
            return NOT_DRAWN
        colour = self._colour
        if not calls.fill_colour(drawn, *colour.addresses):
            return ""
        red, green, blue, alpha = colour.values
        if not alpha:
            return _TRANSPARENT
        return _SAME_COLOUR if red >= _LIGHT and green >= _LIGHT and blue >= _LIGHT else ""

    def _against_background(self, fragment: Fragment, index: int) -> str:
        """Look whether light text stands out from what is behind it."""
        self._judged += 1
        if self._judged > _MOST_JUDGED:
            return ""
        drawn = calls.text_object(self._address, index)
        first = last = index
        # What stands beside it but is drawn otherwise may well be seen.
        while first > max(fragment.first, index - _AROUND) and self._is_of(drawn, first - 1):
            first -= 1
        while last < min(fragment.first + fragment.count - 1, index + _AROUND) and self._is_of(drawn, last + 1):
            last += 1
        boxes = self._characters.boxes(first, last - first + 1)
        pixels, width, height, stride = self._render()
        left = max(0, int(min(box.left for box in boxes) * self._scale))
        right = min(width, int(max(box.right for box in boxes) * self._scale) + 1)
        top = max(0, int(min(box.top for box in boxes) * self._scale))
        bottom = min(height, int(max(box.bottom for box in boxes) * self._scale) + 1)
        if right <= left or bottom <= top:
            return ""
        area = b"".join(pixels[row * stride + left : row * stride + right] for row in range(top, bottom))
        return _SAME_COLOUR if max(area) - min(area) < _SEEN_CONTRAST else ""

    def _is_of(self, drawn: int, index: int) -> bool:
        return bool(calls.text_object(self._address, index) == drawn)

    def _render(self) -> tuple[bytes, int, int, int]:
        if self._picture is None:
            bitmap = self._page.render(scale=self._scale, grayscale=True, may_draw_forms=False)
            self._picture = bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride
            bitmap.close()
        return self._picture
