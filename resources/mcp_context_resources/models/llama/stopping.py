"""Stopping llama.cpp in the middle of an evaluation."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

import llama_cpp

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mcp_context_resources.workers.job import Job


class AbortFlag:
    r"""A flag that llama.cpp reads between the operations of an evaluation, without Python and its lock.

    The callback is the C library's `strlen`: of an empty string it returns 0, which lets the evaluation go on; of the
    string "\x01" it returns 1, which ends it. A callback in Python would take a tenth of the time of each token.
    """

    def __init__(self) -> None:
        self._text = ctypes.create_string_buffer(2)
        library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        address = ctypes.cast(library.strlen, ctypes.c_void_p).value
        assert address is not None  # noqa: S101 - every C library has it
        self._callback = llama_cpp.ggml_abort_callback(address)

    def attach(self, context: Any) -> None:
        """Let evaluations in this context be ended by the flag."""
        llama_cpp.llama_set_abort_callback(context, self._callback, ctypes.addressof(self._text))

    def heeding(self, job: Job) -> AbstractContextManager[None]:
        """While the block runs, end evaluations when the job must stop."""
        self._text.value = b""
        return job.interruptible(self._raise)

    def _raise(self) -> None:
        self._text.value = b"\x01"
