"""Text cutting where nothing is torn: half of an address, number or key would not be known for what it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_context_tools.search_hits.quotes import visible

if TYPE_CHECKING:
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import PrivateValues

_WHOLE: Final = 200
_BEYOND: Final = 20
# A blank between two figures stands within a telephone or card number.
_BREAK: Final = re.compile(r"(?<![0-9０-９])\s+|\s+(?![0-9０-９\s])|(?<=[。、！？｡､」』】）〕》・])")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？｡])")
_WIDE: Final = re.compile(r"(?<=[\u3041-\u30ff\u3400-\u9fff])(?=[\u3041-\u30ff\u3400-\u9fff])")


def cut_whole(text: str, most: int, private: PrivateValues | None = None) -> str:
    """Cut a text to at most `most` characters: at the end of a sentence in its last quarter, else of a word.

    A run without a blank or Japanese punctuation stays whole or goes whole if it is shorter than 200 characters; a
    longer one is cut between two Japanese letters, and anywhere only if it has none. May leave nothing, and may be
    longer by the rest of a `private` value.
    """
    if len(text) <= most:
        return text
    end = whole_before(text, max(0, most))
    if private is not None and end:
        end = private.whole(text, 0, end)[1]
    return text[:end].rstrip()


def whole_before(text: str, at: int) -> int:
    """Return the last place up to `at` where a text can be cut so that nothing is torn, 0 if there is none."""
    if at >= len(text):
        return len(text)
    start = max(0, at - _WHOLE)
    for pattern, first in ((_SENTENCE_END, max(start, at - at // 4)), (_BREAK, start)):
        if places := _places(pattern, text, first, at):
            return places[-1]
    if start == 0:
        next_break = _BREAK.search(text, at)
        if (next_break.start() if next_break else len(text)) < _WHOLE:
            return 0
    wide = _places(_WIDE, text, start, at)
    return wide[-1] if wide else at


def _places(pattern: re.Pattern[str], text: str, first: int, last: int) -> list[int]:
    # What follows the last place decides too.
    found = pattern.finditer(text, first, last + _BEYOND)
    return [match.start() for match in found if 0 < match.start() <= last]


_BLANKS: Final = re.compile(r"[ \t\u3000]{3,}")
_EMPTY_LINES: Final = re.compile(r"\n\s*\n\s*\n+")
_MOST_CHARS_A_TOKEN: Final = 12
_SHARE: Final = 0.9
# Shorter ones would lose names without blanks.
_NAME_CHARS: Final = 200


class Room:
    """Tokens that are left for what is still to be written."""

    def __init__(self, tokens: int) -> None:
        self.left = tokens

    def take(self, text: str) -> bool:
        """Use the tokens of a text, if there are as many left."""
        cost = estimated_tokens(text) + 1
        if cost > self.left:
            return False
        self.left -= cost
        return True


def beginning(text: str, tokens: int, private: PrivateValues | None = None, start: int = 0) -> int:
    """Return where to cut a text so that from `start` on it takes at most about so many tokens.

    No word, sentence near the end, or `private` value is cut in two.
    """
    end = min(len(text), start + tokens * _MOST_CHARS_A_TOKEN)
    needed = estimated_tokens(text[start:end])
    if end == len(text) and needed <= tokens:
        return end
    most = end - start
    while needed > tokens and most:
        most = min(most - 1, int(most * max(0.1, tokens / needed)), int(most * _SHARE) if most < 40 else most)
        needed = estimated_tokens(text[start : start + most])
    end = start + len(cut_whole(text[start:], most))
    return end if private is None or end == start else max(end, private.whole(text, start, end)[1])


def tidy(text: str) -> str:
    """Write text of a page with fewer blanks, and without what no reader sees."""
    return _EMPTY_LINES.sub("\n\n", _BLANKS.sub("  ", visible(text))).strip()


def one_line(text: str, most: int) -> str:
    """Write a name or heading on one line, a long one cut where nothing is torn."""
    line = " ".join(visible(text).split())
    return line if len(line) <= most else f"{cut_whole(line, most - 1)}…"


def quoted(name: str) -> str:
    """Write the name or path of a file where it stands outside the marks: on one line, between quotation marks."""
    return '"{}"'.format(one_line(name, _NAME_CHARS).replace('"', "'"))


def name_for_calls(source: Source) -> str:
    """Name a source as it can be given to a tool: by its URI where its name is no plain line of text."""
    plain = one_line(source.name, _NAME_CHARS) == source.name and '"' not in source.name and "\\" not in source.name
    return source.name if plain else source.uri
