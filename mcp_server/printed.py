"""What libraries and worker processes print, as log messages: a line each, a traceback as one."""

from __future__ import annotations

import logging
import re
from typing import Final

_log = logging.getLogger("stderr")
_FIRST: Final = "Traceback (most recent call last):"
_LAST: Final = re.compile(r"([A-Za-z_][\w.]*)(?:$|:)")
_MOST_LINES: Final = 200


class Printed:
    """Hears lines one after the other and logs them; of an exception only its class, unless `whole`."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._trace: list[str] = []

    def hear(self, line: str) -> None:
        """Log a line, or keep it until its traceback is complete."""
        if self._trace and line.startswith(" ") and len(self._trace) < _MOST_LINES:
            self._trace.append(line)
        elif self._trace:
            self._end(line)
        elif line == _FIRST:
            self._trace = [line]
        else:
            _log.warning("%s", line)

    def _end(self, last: str) -> None:
        found = _LAST.match(last)
        kind = found[1] if found else "an exception"
        lines, self._trace = self._trace, []
        trace = "\n".join([*lines, last if self._whole else kind])
        _log.error("%s was printed", kind, extra={"fields": {"exception": trace}})
