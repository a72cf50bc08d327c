"""GPUs that this build of llama.cpp can use, and how much of a model fits on them."""

from __future__ import annotations

import ctypes
from typing import Any, Final

import llama_cpp
from llama_cpp._ggml import libggml

# `enum ggml_backend_dev_type` of ggml-backend.h.
_CPU: Final = 0
_ACCELERATOR: Final = 3
_ROOM: Final = 0.9
"""Share of the free memory that weights and context may fill; the rest is for buffers of the computation."""


def has_gpu() -> bool:
    """Tell whether this build of llama.cpp can use a graphics processor."""
    return bool(llama_cpp.llama_supports_gpu_offload())


def free_bytes() -> int:
    """Count the free memory of all graphics processors, in bytes; 0 where there is none."""
    count, get, kind, memory = (
        _function(name, result)
        for name, result in (
            ("ggml_backend_dev_count", ctypes.c_size_t),
            ("ggml_backend_dev_get", ctypes.c_void_p),
            ("ggml_backend_dev_type", ctypes.c_int),
            ("ggml_backend_dev_memory", None),
        )
    )
    total = 0
    for number in range(count()):
        device = ctypes.c_void_p(get(ctypes.c_size_t(number)))
        if kind(device) in {_CPU, _ACCELERATOR}:
            continue
        free, whole = ctypes.c_size_t(), ctypes.c_size_t()
        memory(device, ctypes.byref(free), ctypes.byref(whole))
        total += free.value
    return total


def layers_that_fit(layers: int, weight_bytes: int, context_bytes: int, free: int) -> int:
    """Return how many of a model's layers fit in `free` bytes, each with its share of weights and context.

    The output layer counts as one more, as llama.cpp counts.
    """
    each = max(1, (weight_bytes + context_bytes) // (layers + 1))
    return max(0, min(layers + 1, int(free * _ROOM) // each))


def _function(name: str, result: Any) -> Any:
    function = getattr(libggml, name)
    function.restype = result
    return function
