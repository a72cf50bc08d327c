"""Words of a page with their places, and the lines they make."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pypdfium2.raw as pdfium

from mcp_context_resources.documents.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pypdfium2

    from mcp_context_resources.documents.pdf.frame import Frame

MAX_CHARS: Final = 60_000
HYPHEN: Final = "\x02"  # how PDFium tells a hyphen that breaks a word at the end of a line
_FIXED_PITCH: Final = 1  # flag of a font descriptor, ISO 32000-1, table 123
_FONT_NAME_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Word:
    """Characters without white space between them; `first` counts characters of the page from 0."""

    text: str
    box: Box
    first: int

    @property
    def middle(self) -> float:
        """Points from the top of the page to the middle of the word."""
        return (self.box.top + self.box.bottom) / 2


@dataclass(frozen=True, slots=True)
class Font:
    """What the file says of a font."""

    name: str
    fixed_pitch: bool
    bold: bool


class PageText:
    """The text layer of an open page; close it after use."""

    def __init__(self, page: pypdfium2.PdfPage, frame: Frame) -> None:
        self._content = page.get_textpage()
        self._frame = frame
        self._rectangle = pdfium.FS_RECTF()

    def close(self) -> None:
        """Release the text layer."""
        self._content.close()

    def words(self) -> list[Word]:
        """Read the words in the order of the file; none at all of a page with more than `MAX_CHARS` characters."""
        count = pdfium.FPDFText_CountChars(self._content)
        if not 0 < count <= MAX_CHARS:
            return []
        characters = self._characters(count)
        words: list[Word] = []
        start = -1
        for place, character in enumerate([*characters, " "]):
            if character.isspace() or character in "\0\ufffe\uffff":
                if start >= 0:
                    words.extend(self._placed("".join(characters[start:place]), start))
                start = -1
            elif start < 0:
                start = place
        page = Box(0, 0, self._frame.width, self._frame.height)
        return [word for word in words if word.box.overlaps(page) and word.box.width < 2 * page.width]

    def parts(self, word: Word, edges: Sequence[float]) -> Iterator[Word]:
        """Cut a word at the vertical edges that pass between its characters."""
        start, inside = 0, 0
        for place in range(len(word.text)):
            box = self._character_box(word.first + place)
            middle = (box.left + box.right) / 2
            now = sum(edge < middle for edge in edges)
            if place and now != inside:
                yield self._whole(word.text[start:place], word.first + start)
                start = place
            inside = now
        yield self._whole(word.text[start:], word.first + start)

    def font(self, word: Word) -> Font:
        """Return the font of the word's first character."""
        buffer = pdfium.ctypes.create_string_buffer(_FONT_NAME_BYTES)
        flags = pdfium.c_int()
        pdfium.FPDFText_GetFontInfo(self._content, word.first, buffer, _FONT_NAME_BYTES, pdfium.byref(flags))
        name = buffer.value.decode("latin-1")
        weight = pdfium.FPDFText_GetFontWeight(self._content, word.first)
        plain = name.lower()
        bold = weight >= 600 or any(mark in plain for mark in ("bold", "cmbx", "heavy", "black", "demi"))
        fixed = bool(flags.value & _FIXED_PITCH) or any(
            mark in plain for mark in ("mono", "courier", "cmtt", "sltt", "typewriter", "consol")
        )
        return Font(name, fixed, bold)

    def _characters(self, count: int) -> list[str]:
        buffer = (pdfium.ctypes.c_ushort * (count + 1))()
        written = pdfium.FPDFText_GetText(self._content, 0, count, buffer)
        text = bytes(buffer)[: 2 * max(written - 1, 0)].decode("utf-16-le", errors="replace")
        if len(text) == count:
            return list(text)
        codes = (pdfium.FPDFText_GetUnicode(self._content, place) for place in range(count))
        return [chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else " " for code in codes]

    def _character_box(self, place: int) -> Box:
        rectangle = self._rectangle
        if not pdfium.FPDFText_GetLooseCharBox(self._content, place, pdfium.byref(rectangle)):
            return Box(0, 0, 0, 0)
        return self._frame.box(rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)

    def _placed(self, text: str, first: int) -> Iterator[Word]:
        """Place a word by its first and last character; where these don't fit together, by each of them."""
        start = self._character_box(first)
        if len(text) == 1:
            yield Word(text, start, first)
            return
        end = self._character_box(first + len(text) - 1)
        height = max(start.height, end.height)
        level = abs(start.top + start.bottom - end.top - end.bottom) < height
        width = end.right - start.left
        most = sum(1.4 if wide(character) else 1.0 for character in text) * height
        if level and end.left >= start.left and width <= most:
            yield Word(text, start.union(end), first)
            return
        yield from self._by_character(text, first)

    def _by_character(self, text: str, first: int) -> Iterator[Word]:
        begun, box = 0, self._character_box(first)
        for place in range(1, len(text)):
            following = self._character_box(first + place)
            level = abs(box.top + box.bottom - following.top - following.bottom) < max(box.height, following.height)
            if not level or not -0.5 * box.height <= following.left - box.right <= 0.5 * box.height:
                yield Word(text[begun:place], box, first + begun)
                begun, box = place, following
            else:
                box = box.union(following)
        yield Word(text[begun:], box, first + begun)

    def _whole(self, text: str, first: int) -> Word:
        box = self._character_box(first)
        for place in range(1, len(text)):
            box = box.union(self._character_box(first + place))
        return Word(text, box, first)


def wide(character: str) -> bool:
    """Tell whether a character is as wide as high, as Chinese and Japanese ones are."""
    return character > "\u1100" and unicodedata.east_asian_width(character) in "WF"


def lines_of(words: Iterable[Word]) -> list[list[Word]]:
    """Sort words into lines, top to bottom, each from left to right."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda each: each.middle):
        if lines and lines[-1][0].box.bottom - word.middle > 0.15 * lines[-1][0].box.height and _level(lines[-1], word):
            lines[-1].append(word)
        else:
            lines.append([word])
    return [sorted(line, key=lambda each: each.box.left) for line in lines]


def _level(line: Sequence[Word], word: Word) -> bool:
    first = line[0].box
    shared = min(first.bottom, word.box.bottom) - max(first.top, word.box.top)
    return shared > 0.5 * min(first.height, word.box.height)


def line_text(line: Sequence[Word]) -> str:
    """Write the words of one line: blanks as seen, and none between Japanese characters that touch."""
    text, end = "", 0.0
    for word in line:
        if text:
            gap = (word.box.left - end) / max(word.box.height, 1)
            both_wide = wide(text[-1]) and wide(word.text[0])
            text += " " if gap > (0.4 if both_wide else 0.08) else ""
        text += word.text
        end = word.box.right
    return text


def cell_text(words: Iterable[Word]) -> str:
    """Write the words of a cell as one line: its lines joined by a blank, Japanese ones by nothing."""
    text = ""
    for line in lines_of(words):
        written = line_text(line)
        if text.endswith(HYPHEN):
            text = text[:-1] + ("" if written[:1].islower() else "-")
        elif text and not (wide(text[-1]) and wide(written[0])):
            text += " "
        text += written
    return unicodedata.normalize("NFC", text.replace(HYPHEN, "-")).strip()
