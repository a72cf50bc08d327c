"""Stderr capture: what libraries and worker processes print, as log messages, a traceback as one."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("stderr")
_FIRST: Final = "Traceback (most recent call last):"
_LAST: Final = re.compile(r"([A-Za-z_][\w.]*)(?:$|:)")
_FILE: Final = '  File "'
_FRAME: Final = re.compile(r'  File ".*", line \d+, in ')
# Exceptions of a group stand behind a margin, with rules between them.
_FIRST_OF_GROUP: Final = f"Exception Group {_FIRST}"
_MARGIN: Final = re.compile(r"\s+(?:[|+](?: |$)|(?:\+-)?\+(?=-))")
_RULE: Final = re.compile(r"-+ (?:\d+|\.\.\.) -+$")
_BETWEEN: Final = re.compile(
    r"The above exception was the direct cause of the following exception:$"
    r"|During handling of the above exception, another exception occurred:$"
)
_OTHER: Final = re.compile(r"Exception ignored in|\S+:\d+: \w*Warning: ")
_MOST_LINES: Final = 200
_SETTLING_SECONDS: Final = 10.0


class Printed:
    """Hears lines one after the other and logs them; of an exception only where it happened and its class.

    What an exception says may be of several lines and quote a file. So what is printed in the seconds after one is
    withheld, too, unless it is known to be something else. With `whole` nothing is. `clock` tells the time in seconds.
    """

    def __init__(self, *, whole: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._whole = whole
        self._clock = clock
        self._trace: list[str] = []
        self._grouped = False
        self._framed = False
        self._kind = ""
        self._named = False
        self._settled = 0.0
        self._noted = False

    def hear(self, line: str) -> None:
        """Log a line, or keep it until its traceback is complete."""
        margin = _MARGIN.match(line)
        inner = line[margin.end() :] if margin else ""
        if self._trace and not self._grouped:
            self._read(line, "", line)
            if self._named:
                self._end()
            return
        if self._trace and margin:
            self._read_grouped(line, margin[0], inner)
            return
        if self._trace:
            self._end()
        settling = self._clock() < self._settled
        if line == _FIRST or inner == _FIRST_OF_GROUP or (settling and margin and _RULE.match(inner)):
            self._trace, self._grouped = [line], line != _FIRST
        elif self._whole or not settling or _BETWEEN.match(line) or _OTHER.match(line):
            _log.warning("%s", line)
        elif not self._noted:
            self._noted = True
            _log.warning("what is printed after it is withheld: it may be more of what the exception says")

    def _read_grouped(self, line: str, margin: str, inner: str) -> None:
        if inner in (_FIRST, _FIRST_OF_GROUP) or _RULE.match(inner) or _BETWEEN.match(inner):
            self._keep(line)
            self._named = self._framed = False
        elif inner.strip("-"):
            self._read(line, margin, inner)
        elif inner:
            self._end()

    def _read(self, line: str, margin: str, inner: str) -> None:
        """Keep frames and the first line below them; a file without a function holds the text of a syntax error."""
        if inner.startswith(_FILE):
            self._framed = bool(_FRAME.match(inner))
        if self._named or inner.startswith(" "):
            if self._whole or (self._framed and not self._named):
                self._keep(line)
            return
        found = _LAST.match(inner)
        kind = found[1] if found else "an exception"
        self._kind, self._named = self._kind or kind, True
        self._keep(line if self._whole else margin + kind)

    def _keep(self, line: str) -> None:
        if len(self._trace) < _MOST_LINES or not self._named:
            self._trace.append(line)

    def _end(self) -> None:
        fields = {"exception": "\n".join(self._trace)}
        _log.error("%s was printed", self._kind or "an exception", extra={"fields": fields})
        self._trace, self._kind = [], ""
        self._grouped = self._framed = self._named = self._noted = False
        self._settled = self._clock() + _SETTLING_SECONDS
