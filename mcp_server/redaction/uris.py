"""URIs in what is to be redacted: percent-encoded, a private value looks like none, and its neighbours like parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Private characters that no detector knows: a mark is a number between the two.
_OPEN, _CLOSE, _ZERO = "\U00100000", "\U00100001", 0x100010
_TAKEN: Final = re.compile(rf"(?:table|document|model)://[\w%/.~,-]+|{_OPEN}")
_MARK: Final = re.compile(rf"{_OPEN}([{chr(_ZERO)}-{chr(_ZERO + 9)}]+){_CLOSE}")
_SAFE: Final = "/,"


class PrivateUris:
    """Takes URIs of sources that are `private` once decoded out of an answer, and puts them back redacted.

    `decoded` are those taken out, to be redacted as the rest is. What stands behind `#` stays where it is.
    """

    def __init__(self, private: Callable[[str], bool]) -> None:
        self.decoded: list[str] = []
        self._private = private
        self._written: list[str] = []
        self._instead: dict[str, str] = {}

    def taken_out(self, value: Any) -> Any:
        """Return a text or JSON-like data with marks in place of URIs."""
        return _mapped(value, lambda text: _TAKEN.sub(self._mark, text))

    def put_back(self, value: Any, redacted: Sequence[str]) -> Any:
        """Return it with URIs in place of marks, encoded again; `redacted` is what `decoded` became."""
        pairs = zip(self._written, self.decoded, redacted, strict=True)
        shown = [written if new == old else _encoded(new) for written, old, new in pairs]

        def uri(mark: re.Match[str]) -> str:
            return shown[int("".join(chr(ord(digit) - _ZERO + ord("0")) for digit in mark[1]))]

        return _mapped(value, lambda text: _MARK.sub(uri, text))

    def _mark(self, found: re.Match[str]) -> str:
        written = found[0]
        if written not in self._instead:
            decoded = unquote(written)
            if written == _OPEN or self._private(decoded):  # a file may hold what looks like a mark
                number = "".join(chr(_ZERO + int(digit)) for digit in str(len(self.decoded)))
                self._instead[written] = f"{_OPEN}{number}{_CLOSE}"
                self.decoded.append(decoded)
                self._written.append(written)
            else:
                self._instead[written] = written
        return self._instead[written]


def _encoded(uri: str) -> str:
    scheme, mark, path = uri.partition("://")
    return f"{scheme}{mark}{quote(path, safe=_SAFE)}"


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_mapped(key, change): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    return value
