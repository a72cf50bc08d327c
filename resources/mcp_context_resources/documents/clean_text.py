"""Text as a reader sees it: characters made uniform, invisible and control characters removed."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LINE_ENDS: Final = re.compile("\r\n?|\u2028|\u2029")
_TRAILING: Final = re.compile(r"[ \t\u3000]+\n")

INVISIBLE: Final = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f"
)
"""Controls, zero-width and bidirectional marks, tag characters, non-characters, as in a set of a regular expression.

They can hide text from people.
"""
_SPACES: Final = "\u00a0\u2000-\u200a\u202f\u205f"
_SURROGATES: Final = "\ud800-\udfff"
# Ligatures, half-width kana, and radicals that faulty fonts give out for the characters they look like.
_COMPATIBLE: Final = "\ufb00-\ufb06\uff61-\uff9f\u2e80-\u2fd5\ufe11-\ufe19\ufe30-\ufe44\ufe47\ufe48"
# The dots between a heading and its page number in a table of contents.
_DOT_LEADERS: Final = r"(?:[.．・‥…][ \u3000]?){5,}"
_COMBINED: Final = "[^\\W\\d_][\u0300-\u0304\u0306-\u030c\u0327\u0328\u3099\u309a]+"

_VARIANTS: Final = re.compile(
    f"(?P<gone>[{INVISIBLE}]+)|(?P<space>[{_SPACES}\r\n])|(?P<broken>[{_SURROGATES}])|(?P<dots>{_DOT_LEADERS})"
    f"|(?P<compose>{_COMBINED})|(?P<alike>[{_COMPATIBLE}]+)|(?P<comma>\ufe10)"
)
# A test that most lines pass at once: no match is without one of these.
_TELLING: Final = re.compile(
    f"[{INVISIBLE}{_SPACES}\r\n{_SURROGATES}{_COMPATIBLE}\u0300-\u0304\u0306-\u030c\u0327\u0328\u3099\u309a\ufe10]"
    r"|[.．・‥…][ \u3000]?[.．・‥…][ \u3000]?[.．・‥…]"
)
_VOICED: Final = re.compile("(?s:.)[\uff9e\uff9f]?")
_FIXED: Final = {"gone": "", "space": " ", "broken": "\ufffd", "dots": "… ", "comma": "，"}


def clean_line(text: str) -> str:
    """Return one line with ligatures, half-width kana and look-alikes as ordinary characters, and nothing invisible.

    Dot leaders become one `…`.
    """
    return text if _TELLING.search(text) is None else _VARIANTS.sub(_replacement, text)


def clean_positions(text: str) -> list[int]:
    """Return for each character of `clean_line(text)` the position in `text` that it comes from."""
    positions: list[int] = []
    done = 0
    for match in _VARIANTS.finditer(text):
        positions.extend(range(done, match.start()))
        # Letter by letter, each with the half-width voice mark it may have.
        letters = _VOICED.finditer(text, *match.span()) if match.lastgroup == "alike" else (match,)
        for letter in letters:
            made = len(_made(match.lastgroup or "", letter[0]))
            positions.extend(min(letter.start() + place, letter.end() - 1) for place in range(made))
        done = match.end()
    positions.extend(range(done, len(text)))
    return positions


def clean_text(text: str) -> str:
    r"""Return text of several lines, each as `clean_line` leaves it, with `\n` line ends and no blanks before them."""
    lines = [clean_line(line) for line in _LINE_ENDS.sub("\n", text).split("\n")]
    return _TRAILING.sub("\n", "\n".join(lines)).strip("\n")


def one_line(text: str, max_chars: int) -> str:
    """Make text from a file fit to stand in a line of ours."""
    return " ".join(clean_text(text).split())[:max_chars]


def _replacement(match: re.Match[str]) -> str:
    return _made(match.lastgroup or "", match[0])


def _made(kind: str, text: str) -> str:
    if kind in _FIXED:
        return _FIXED[kind]
    return unicodedata.normalize("NFC" if kind == "compose" else "NFKC", text)
