"""How many processor cores this process may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Count the cores the system grants this process, at least one."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)
