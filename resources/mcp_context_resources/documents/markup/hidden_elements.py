"""Hidden elements: what an HTML page holds but doesn't show, which can carry text meant for machines only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcp_context_resources.documents.markup.conversion_errors import check
from mcp_context_resources.documents.markup.rich_text import visible
from mcp_context_resources.html_grid import local_name

if TYPE_CHECKING:
    from mcp_context_resources.workers.job import Job

_NEVER_SHOWN: Final = frozenset(
    "script style template noscript iframe object embed applet canvas audio video datalist noframes head".split()
)
_HIDING: Final = re.compile(
    r"""display:none|visibility:(?:hidden|collapse)|content-visibility:hidden|opacity:0*\.?0+(?![.\d])
    |font-size:(?:0|0?\.\d+|1(?:\.0*)?px)(?![.\d])|(?:left|top|right|text-indent|margin-left|margin-top):-\d{3,}
    |clip:rect\((?:0(?:px)?,?|1px,?){4}\)|clip-path:inset\((?:50|100)%\)|transform:scale\(0\)""",
    re.VERBOSE,
)
_COLOUR: Final = re.compile(r"(?:^|;)(color|background|background-color):(#?\w+|rgba?\([^)]*\))(?=;|$)")
_RULE: Final = re.compile(r"([^{}]{1,2000})\{([^{}]{0,5000})\}")
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_CONDITIONAL: Final = re.compile(r"@(?:media|supports|container|layer|page|keyframes|-webkit-keyframes)\b[^{}]*\{")
_SIMPLE: Final = re.compile(r"(?:[a-z][a-z0-9]*)?([.#])([\w-]+)")
_WHITE: Final = {"white": "#ffffff", "#fff": "#ffffff", "black": "#000000", "#000": "#000000"}
_MAX_STYLE: Final = 500_000


class _Rules(NamedTuple):
    """Classes and identifiers that the page's own style sheets hide."""

    classes: frozenset[str]
    ids: frozenset[str]


def drop_hidden(job: Job, page: Any) -> int:
    """Take out what a browser would not show, scripts and styles too; return how many characters of text were hidden.

    Hidden are the `hidden` attribute, `display:none` and its kin in a style attribute or in a rule of the page's own
    style sheets for one class or identifier. `aria-hidden` alone hides nothing: it is seen on the screen.

    Raises `DeadlineExceededError`.
    """
    rules = _rules(page)
    hidden, doomed = 0, []
    walk = _walk(page)
    for element in walk:
        check(job)
        tag = local_name(element)
        if tag in _NEVER_SHOWN or not isinstance(element.tag, str):
            doomed.append(element)
            walk.skip_subtree()
        elif tag not in ("html", "body") and _is_hidden(element, rules):
            hidden += _length(element)
            doomed.append(element)
            walk.skip_subtree()
    for element in doomed:
        _drop(element)
    return hidden


def _walk(page: Any) -> Any:
    from lxml import etree

    return _Walk(etree.iterwalk(page, events=("start", "comment", "pi")))


class _Walk:
    def __init__(self, events: Any) -> None:
        self._events = events
        self.skip_subtree = events.skip_subtree

    def __iter__(self) -> _Walk:
        return self

    def __next__(self) -> Any:
        return next(self._events)[1]


def _length(element: Any) -> int:
    return sum(len("".join(text.split())) for text in element.itertext())


def _drop(element: Any) -> None:
    """Remove an element and keep the text behind it."""
    parent, tail = element.getparent(), element.tail
    if parent is None:
        return
    if tail := visible(tail or ""):
        before = element.getprevious()
        if before is not None:
            before.tail = visible(before.tail or "") + tail
        else:
            parent.text = visible(parent.text or "") + tail
    element.tail = None
    parent.remove(element)


def _is_hidden(element: Any, rules: _Rules) -> bool:
    if element.get("hidden") is not None or element.get("type") == "hidden":
        return True
    style = element.get("style")
    if style and _hides(style):
        return True
    if rules.ids and element.get("id") in rules.ids:
        return True
    return bool(rules.classes) and not rules.classes.isdisjoint((element.get("class") or "").split())


def _hides(style: str) -> bool:
    style = re.sub(r"\s+|!important", "", _COMMENT.sub("", style[:5_000])).lower()
    if _HIDING.search(style):
        return True
    colours = {
        ("color" if name == "color" else "ground"): _WHITE.get(value, value) for name, value in _COLOUR.findall(style)
    }
    return colours.get("color") in ("transparent", colours.get("ground", ""))


def _rules(page: Any) -> _Rules:
    classes: set[str] = set()
    ids: set[str] = set()
    for element in page.iter():
        if local_name(element) != "style" or "print" in (element.get("media") or ""):
            continue
        sheet = _without_conditions(_COMMENT.sub("", "".join(element.itertext())[:_MAX_STYLE]))
        for selectors, body in _RULE.findall(sheet):
            if not _hides(body):
                continue
            for selector in selectors.split(","):
                simple = _SIMPLE.fullmatch(selector.strip())
                if simple:
                    (classes if simple[1] == "." else ids).add(simple[2])
    return _Rules(frozenset(classes), frozenset(ids))


def _without_conditions(sheet: str) -> str:
    """Cut out blocks that apply only sometimes, such as when printing."""
    kept, at = [], 0
    while block := _CONDITIONAL.search(sheet, at):
        kept.append(sheet[at : block.start()])
        at, depth = block.end(), 1
        while depth and at < len(sheet):
            depth += {"{": 1, "}": -1}.get(sheet[at], 0)
            at += 1
    return "".join([*kept, sheet[at:]])
