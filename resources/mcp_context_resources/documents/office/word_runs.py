"""Runs of one Word paragraph: what is shown of it, with insertions, links, notes, ruby and formulas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.markup.rich_text import Run
from mcp_context_resources.documents.office.word_styles import W, switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.documents.office.word_styles import Styles

_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MC: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_DELETED: Final = frozenset({f"{W}del", f"{W}moveFrom"})
_SIGNS: Final = {
    f"{W}tab": "\t",
    f"{W}br": "\n",
    f"{W}cr": "\n",
    f"{W}noBreakHyphen": "-",
    f"{W}ptab": "\t",
}
_TINY_HALF_POINTS: Final = 3


@dataclass(slots=True)
class Found:
    """What a paragraph held besides its own text, and what of it was left out."""

    footnotes: list[tuple[str, str]] = field(default_factory=list)  # kind and identifier
    boxes: list[Any] = field(default_factory=list)  # paragraphs of text boxes hold text of their own
    images: int = 0
    hidden: int = 0
    deleted: int = 0
    inserted: int = 0
    white: int = 0


class RunReader:
    """Reads paragraphs of one part of a document."""

    def __init__(self, styles: Styles, targets: dict[str, str]) -> None:
        self._styles = styles
        self._targets = targets
        self._field: list[bool] = []  # for each open field: whether its result has begun
        self.found = Found()

    def runs(self, paragraph: Any, *, bold_is_plain: bool = False) -> list[Run]:
        """Return what is shown of a paragraph; of a heading, bold is no emphasis."""
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        base = self._styles.get(style.get(f"{W}val") if style is not None else self._styles.default)
        self._base = base
        self._bold_is_plain = bold_is_plain or bool(base.bold)
        return list(self._walk(paragraph, ""))

    def _walk(self, parent: Any, href: str) -> Iterator[Run]:
        for child in parent:
            tag = child.tag
            if tag == f"{W}r":
                yield from self._run(child, href)
            elif tag in _DELETED:
                self.found.deleted += 1
            elif tag == f"{W}hyperlink":
                yield from self._walk(child, self._targets.get(child.get(f"{_R}id") or "", "") or href)
            elif tag in (f"{W}ins", f"{W}moveTo"):
                self.found.inserted += 1
                yield from self._walk(child, href)
            elif tag == f"{W}sdt":
                yield from self._walk(child.iterfind(f"{W}sdtContent/*"), href)
            elif tag in (f"{_M}oMath", f"{_M}oMathPara"):
                yield Run("".join(text.text or "" for text in child.iter(f"{_M}t")))
            elif tag == f"{_MC}AlternateContent":
                yield from self._walk(_choice(child), href)
            elif tag in (f"{W}smartTag", f"{W}fldSimple", f"{W}customXml", f"{W}dir", f"{W}bdo"):
                yield from self._walk(child, href)

    def _run(self, run: Any, href: str) -> Iterator[Run]:
        properties = run.find(f"{W}rPr")
        text = "".join(self._pieces(run))
        if not text:
            return
        if self._is_hidden(properties):
            self.found.hidden += len(text)
            return
        self.found.white += len(text.strip()) if _is_white(properties) else 0
        yield Run(text, self._mark(properties), href)

    def _pieces(self, run: Any) -> Iterator[str]:
        for child in run:
            if child.tag == f"{W}fldChar":
                self._follow_field(child.get(f"{W}fldCharType"))
            elif not self._field or self._field[-1]:  # else it is the field's code, not its result
                yield from self._piece(child, child.tag)

    def _piece(self, child: Any, tag: str) -> Iterator[str]:
        if tag == f"{W}t":
            yield child.text or ""
        elif tag in _SIGNS:
            yield "" if child.get(f"{W}type") in ("page", "column") else _SIGNS[tag]
        elif tag == f"{W}ruby":
            yield self._ruby(child)
        elif tag == f"{W}sym":
            yield _symbol(child)
        elif tag in (f"{W}footnoteReference", f"{W}endnoteReference", f"{W}commentReference"):
            kind, identifier = tag[len(W) : -len("Reference")], child.get(f"{W}id") or ""
            self.found.footnotes.append((kind, identifier))
            yield f"[{note_mark(kind, identifier)}]"
        elif tag in (f"{W}drawing", f"{W}pict", f"{W}object"):
            yield self._drawing(child)
        elif tag == f"{_MC}AlternateContent":
            yield from self._pieces(_choice(child))

    def _follow_field(self, kind: str | None) -> None:
        if kind == "begin":
            self._field.append(False)
        elif kind == "separate" and self._field:
            self._field[-1] = True
        elif kind == "end" and self._field:
            self._field.pop()

    def _drawing(self, drawing: Any) -> str:
        boxes = [
            element
            for element in drawing.iter(f"{W}txbxContent")
            if next(element.iterancestors(f"{_MC}Fallback"), None) is None
        ]
        self.found.boxes += boxes
        if boxes:
            return ""
        described = [element.get("descr") or element.get("alt") or "" for element in drawing.iter()]
        alt = " ".join(" ".join(filter(None, described)).split())[:500]
        pictures = sum(str(element.tag).endswith(("}blip", "}imagedata")) for element in drawing.iter())
        self.found.images += pictures
        return f"(image: {alt})" if alt else ""

    def _ruby(self, ruby: Any) -> str:
        base = "".join(text.text or "" for text in ruby.iterfind(f"{W}rubyBase//{W}t"))
        reading = "".join(text.text or "" for text in ruby.iterfind(f"{W}rt//{W}t"))
        return f"{base}({reading})" if reading.strip() else base

    def _is_hidden(self, properties: Any) -> bool:
        own = switch(properties, "vanish")
        if own is None and properties is not None:
            style = properties.find(f"{W}rStyle")
            own = self._styles.get(style.get(f"{W}val") or "").hidden if style is not None else None
            size = properties.find(f"{W}sz")
            value = size.get(f"{W}val") if size is not None else None
            if value and value.isdigit() and int(value) < _TINY_HALF_POINTS:
                return True
        return bool(self._base.hidden if own is None else own)

    def _mark(self, properties: Any) -> str:
        bold, italic = switch(properties, "b"), switch(properties, "i")
        marks = "**" if bold and not self._bold_is_plain else ""
        marks += "*" if italic and not self._base.italic else ""
        return marks + ("~~" if switch(properties, "strike") else "")


def note_mark(kind: str, identifier: str) -> str:
    """Return the sign that ties a note to its place: `^2` for a footnote, `^e2` for an endnote, `comment 2`."""
    return {"footnote": "^", "endnote": "^e", "comment": "comment "}[kind] + identifier[:12]


def _choice(alternatives: Any) -> Any:
    """Return one of several renderings of the same content: the first, or the fallback."""
    found = alternatives.find(f"{_MC}Choice")
    return found if found is not None else alternatives.find(f"{_MC}Fallback")


def _symbol(element: Any) -> str:
    try:
        code = int(element.get(f"{W}char") or "", 16)
    except ValueError:
        return ""
    # Symbol fonts keep their signs at U+F0xx, where no other font has any.
    return "□" if 0xE000 <= code <= 0xF8FF else chr(code) if code < 0x110000 else ""


def _is_white(properties: Any) -> bool:
    if properties is None:
        return False
    colour = properties.find(f"{W}color")
    shaded = properties.find(f"{W}shd") is not None or properties.find(f"{W}highlight") is not None
    return colour is not None and (colour.get(f"{W}val") or "").upper() == "FFFFFF" and not shaded
