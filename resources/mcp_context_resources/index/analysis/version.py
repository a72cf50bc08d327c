"""Which way of taking texts apart this is, told without loading it."""

from __future__ import annotations

from importlib import metadata
from typing import Final

ANALYSIS: Final = 2
"""Changes with every change of the terms a text is found by."""


def version() -> str:
    """Identify the way texts are taken apart: ours, and the Japanese dictionary, where there is one."""
    try:
        japanese = f"sudachi {metadata.version('sudachipy')} core {metadata.version('sudachidict_core')}"
    except metadata.PackageNotFoundError:
        japanese = "pairs of characters"
    return f"{ANALYSIS}, {japanese}"
