"""What llama.cpp says while it works: kept from the terminal, its complaints remembered."""

from __future__ import annotations

import ctypes
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import llama_cpp

if TYPE_CHECKING:
    from collections.abc import Callable

# `enum ggml_log_level` of ggml.h.
_WARNING: Final = 3
_ERROR: Final = 4
_KEPT: Final = 20
_complaints: deque[str] = deque(maxlen=_KEPT)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _listen(level: int, text: bytes, _data: Any) -> None:
    if level in {_WARNING, _ERROR}:
        _complaints.append(text.decode(errors="replace").strip())


def listen() -> None:
    """Send what llama.cpp logs here instead of to standard error."""
    listen_to(llama_cpp.llama_log_set)
    _complaints.clear()


def listen_to(set_log: Callable[[Any, Any], None]) -> None:
    """Send what another library of llama.cpp logs here too, given its function for that."""
    set_log(_listen, ctypes.c_void_p())


def last_complaint() -> str:
    """Return the most telling of the last complaints, without the name of the function that complained."""
    errors = [line.partition(": ")[2] or line for line in _complaints if line]
    telling = [line for line in errors if "error" in line.lower() or "unknown" in line.lower()]
    return (telling or errors or ["no reason given"])[-1][:300]
