"""Which files are models."""

from __future__ import annotations

from typing import Final

MODEL_FORMATS: Final[dict[str, str]] = {".gguf": "gguf"}
"""File name ending → format."""
