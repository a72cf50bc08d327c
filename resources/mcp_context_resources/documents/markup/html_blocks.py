"""HTML blocks: from the tree to headings, paragraphs, lists, code, tables, in reading order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.markup.conversion_errors import check
from mcp_context_resources.documents.markup.hidden_elements import drop_hidden
from mcp_context_resources.documents.markup.html_tables import grid, is_data
from mcp_context_resources.documents.markup.rich_text import Rich, Run, rich, visible
from mcp_context_resources.html_grid import local_name

if TYPE_CHECKING:
    from mcp_context_resources.documents.markup.section_builder import SectionBuilder
    from mcp_context_resources.workers.job import Job

_BLOCKS: Final = frozenset(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure"
    " footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol option optgroup p pre search section"
    " select summary table tbody td textarea tfoot th thead tr ul".split()
)
_MARKS: Final = {
    **dict.fromkeys(("b", "strong"), "**"),
    **dict.fromkeys(("i", "em", "cite", "dfn", "var"), "*"),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), "`"),
    **dict.fromkeys(("s", "strike", "del"), "~~"),
}
_LISTS: Final = frozenset({"ul", "ol", "menu", "dir"})
_HEADING: Final = re.compile(r"h([1-6])")
_PIECES: Final = re.compile(r"\x01|[ \t\n\r\f]+|[^ \t\n\r\f\x01]+")
_BREAK: Final = "\x01"
# Scripts written without blanks: a line end between two of their characters is no blank.
_UNSPACED: Final = re.compile("[\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u31f0-\u9fff\uf900-\ufaff\uff00-\uff9f]")
_ANCHOR_SIGNS: Final = frozenset({"¶", "#", "§", "🔗", "\uf0c1", "\ue157"})
_LANGUAGE: Final = re.compile(r"(?:^|\s)(?:language|lang|highlight|sourceCode)-([A-Za-z0-9+#-]{1,20})(?:\s|$)")


class HtmlBlocks:
    """Walks HTML trees and hands their blocks to a builder; counts what it leaves out."""

    def __init__(self, job: Job, builder: SectionBuilder) -> None:
        self._job = job
        self._builder = builder
        self.images = 0
        self.hidden = 0
        self._reset()

    def add(self, page: Any) -> None:
        """Add a tree; it is changed on the way.

        Raises `DeadlineExceededError`.
        """
        from lxml import etree

        self._prepare(page)
        self._reset()
        walk = etree.iterwalk(page, events=("start", "end"))
        for event, element in walk:
            check(self._job)
            if event == "start":
                if self._start(element):
                    self._text(element.text)
                else:
                    walk.skip_subtree()
            else:
                self._end(element)
                if element is not page:
                    self._text(element.tail)
        self._flush()

    def notes(self) -> list[str]:
        """Say what was left out."""
        notes = []
        if self.hidden:
            notes.append(f"Hidden text left out: {self.hidden:,} characters that a browser would not show.")
        if self.images:
            notes.append(f"{self.images:,} images were left out; their descriptions are kept.")
        return notes

    def _reset(self) -> None:
        self._runs: list[Run] = []
        self._marks: list[str] = []
        self._links: list[str] = []
        self._lists: list[list[Any]] = []
        self._marker: str | None = None
        self._heading = self._quote = self._indent = 0

    def _prepare(self, page: Any) -> None:
        for link in list(page.iter()):
            if local_name(link) == "a" and "".join(link.itertext()).strip() in _ANCHOR_SIGNS:
                tail = visible(link.tail or "")
                link.clear()
                link.tail = tail
        self.hidden += drop_hidden(self._job, page)
        for ruby in list(page.iter()):
            if local_name(ruby) == "ruby":
                text, tail = _ruby(ruby), visible(ruby.tail or "")
                ruby.clear()
                ruby.text, ruby.tail = text, tail

    def _start(self, element: Any) -> bool:
        """Open an element; False when nothing inside is to be looked at any more."""
        tag = local_name(element)
        if tag in _BLOCKS:
            self._flush()
            return self._start_block(element, tag)
        if tag == "br":
            self._runs.append(Run(_BREAK))
        elif tag in {"img", "svg"}:
            return self._image(element, tag)
        elif tag == "input":
            if element.get("type") in ("checkbox", "radio"):
                self._runs.append(Run("[x] " if element.get("checked") is not None else "[ ] "))
        elif tag == "a":
            self._links.append(element.get("href") or "")
        elif tag in _MARKS:
            self._marks.append(_MARKS[tag])
        elif tag == "q":
            self._text("“")
        return True

    def _start_block(self, element: Any, tag: str) -> bool:
        if heading := _HEADING.fullmatch(tag):
            self._heading = int(heading[1])
        elif tag in _LISTS:
            self._lists.append([tag == "ol", _number(element.get("start"), 1)])
        elif tag == "li":
            self._marker = self._next_marker(element)
        elif tag == "blockquote":
            self._quote += 1
        elif tag == "dd":
            self._indent += 1
        elif tag == "pre":
            code = _preformatted(element)
            self._builder.code(code, language=_language(element))
            return False
        elif tag == "table" and is_data(element):
            caption = next((child for child in element if local_name(child) == "caption"), None)
            if caption is not None:
                self._builder.paragraph(Rich(text := self._cell(caption), text))
            self._builder.table(grid(self._job, element, self._cell))
            return False
        return True

    def _end(self, element: Any) -> None:
        tag = local_name(element)
        if tag in _BLOCKS:
            self._flush()
            self._end_block(tag)
        elif tag == "a" and self._links:
            self._links.pop()
        elif tag in _MARKS and self._marks:
            self._marks.pop()
        elif tag == "q":
            self._text("”")

    def _end_block(self, tag: str) -> None:
        if _HEADING.fullmatch(tag):
            self._heading = 0
        elif tag in _LISTS and self._lists:
            self._lists.pop()
        elif tag == "li":
            self._marker = None
        elif tag == "blockquote":
            self._quote -= 1
        elif tag == "dd":
            self._indent -= 1

    def _next_marker(self, element: Any) -> str:
        if not self._lists or not self._lists[-1][0]:
            return "-"
        number = _number(element.get("value"), self._lists[-1][1])
        self._lists[-1][1] = number + 1
        return f"{number}."

    def _image(self, element: Any, tag: str) -> bool:
        title = next((child.text for child in element if local_name(child) == "title"), "") if tag == "svg" else ""
        alt = " ".join((element.get("alt") or element.get("aria-label") or title or "").split())[:500]
        self.images += 1
        if alt:
            self._runs.append(Run(f"(image: {alt})", href=self._links[-1] if self._links else ""))
        return False

    def _text(self, text: str | None) -> None:
        if text:
            text = text.replace(_BREAK, "")
            mark = "`" if "`" in self._marks else "".join(dict.fromkeys(self._marks))
            self._runs.append(Run(text, mark, self._links[-1] if self._links else ""))

    def _flush(self) -> None:
        if not self._runs:
            return
        content = rich(_collapsed(self._runs))
        self._runs = []
        if not content.text.strip():
            return
        depth = max(len(self._lists) - 1, 0)
        if self._heading:
            self._builder.heading(self._heading, content)
        elif self._marker is not None:
            self._builder.item(self._marker, content, depth=depth + self._indent, quote=self._quote)
            self._marker = None
        else:
            self._builder.paragraph(content, indent=len(self._lists) + self._indent, quote=self._quote)

    def _cell(self, cell: Any) -> str:
        """Return the text of a table cell; blocks and breaks inside it are lines."""
        runs: list[Run] = []
        for element in cell.iter():
            tag = local_name(element)
            if tag == "br" or (tag in _BLOCKS and element is not cell):
                runs.append(Run(_BREAK))
            if tag == "img":
                self.images += 1
                if alt := element.get("alt"):
                    runs.append(Run(f"(image: {alt[:500]})"))
            runs.append(Run((element.text or "").replace(_BREAK, "")))
            for ended in _ended_here(element, cell):
                if local_name(ended) in _BLOCKS:
                    runs.append(Run(_BREAK))
                runs.append(Run((ended.tail or "").replace(_BREAK, "")))
        text = "".join(run.text for run in _collapsed(runs))
        return "\n".join(filter(None, (line.strip() for line in text.split("\n"))))


def _ended_here(element: Any, top: Any) -> list[Any]:
    """List the elements below `top` that end with `element`, the last in them, innermost first."""
    ended: list[Any] = []
    while element is not top and not len(element):
        ended.append(element)
        while element.getnext() is None:
            element = element.getparent()
            if element is top or element is None:
                return ended
            ended.append(element)
        break
    return ended


def _collapsed(runs: list[Run]) -> list[Run]:
    """Make each stretch of blanks one, across runs; between East Asian characters a line end is none at all."""
    done: list[Run] = []
    gap, last = "", ""
    for run in runs:
        parts = []
        for piece in _PIECES.findall(run.text):
            if piece == _BREAK:
                parts.append("\n")
                gap, last = "", "\n"
            elif piece[0] in " \t\n\r\f":
                gap += piece
            else:
                joined = "\n" in gap and _UNSPACED.match(last) and _UNSPACED.match(piece)
                if gap and last not in ("", "\n") and not joined:
                    parts.append(" ")
                parts.append(piece)
                gap, last = "", piece[-1]
        if parts:
            done.append(run._replace(text="".join(parts)))
    return done


def _ruby(element: Any) -> str:
    """Write annotated characters as 漢字(かんじ)."""
    parts: list[str] = []
    reading: list[str] = []

    def settle() -> None:
        if text := "".join("".join(reading).split()):
            parts.append(f"({text})")
        reading.clear()

    parts.append(element.text or "")
    for child in element:
        tag = local_name(child)
        if tag in ("rt", "rtc"):
            reading.append("".join(child.itertext()))
        elif tag and tag != "rp":
            settle()
            parts.append("".join(child.itertext()))
        if child.tail and child.tail.strip():
            settle()
            parts.append(child.tail)
    settle()
    return "".join(line.strip() for line in visible("".join(parts)[:10_000]).split("\n"))


def _preformatted(element: Any) -> str:
    for line_break in element.iter():
        if local_name(line_break) == "br":
            line_break.tail = f"\n{visible(line_break.tail or '')}"
    return "".join(element.itertext())


def _language(element: Any) -> str:
    nearby = [element, *element, *([element.getparent()] if element.getparent() is not None else [])]
    for candidate in nearby[:4]:
        found = _LANGUAGE.search(candidate.get("class") or "") if local_name(candidate) else None
        if found and found[1] != "default":
            return found[1]
    return ""


def _number(text: str | None, otherwise: int) -> int:
    try:
        return int(text[:9]) if text else otherwise
    except ValueError:
        return otherwise
