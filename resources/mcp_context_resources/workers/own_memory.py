"""How much memory the current process takes up, asked many times a second by one that may open nothing any more."""

from __future__ import annotations

import os
from typing import Final

_STATM: Final = "/proc/self/statm"
_MOST_BYTES: Final = 256


class OwnMemory:
    """The resident memory of this process, on Linux without mapped files if not `mapped`.

    The system takes pages of files back when it needs them. To be made before the process is confined.

    On Linux the file that tells is kept open: under pressure the kernel forgets the entries of `/proc`, and by a new
    one Landlock no longer knows that it was allowed.
    """

    def __init__(self, *, mapped: bool = True) -> None:
        self._mapped = mapped
        self._file: int | None
        try:
            self._file = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, AttributeError):  # not Linux
            import psutil

            self._file, self._process = None, psutil.Process()
        else:
            self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def resident(self) -> int:
        """Return its bytes."""
        if self._file is None:
            return int(self._process.memory_info().rss)
        resident, shared = map(int, os.pread(self._file, _MOST_BYTES, 0).split()[1:3])
        return (resident if self._mapped else resident - shared) * self._page_bytes
