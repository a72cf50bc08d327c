"""Text from files in few tokens: begun where it matters, cut where nothing is torn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mcp_context_tools.context_pack.cutting import cut_whole
from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_context_tools.search_hits.quotes import visible

if TYPE_CHECKING:
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import PrivateValues

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
