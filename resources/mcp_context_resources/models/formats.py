"""Formats: which files are models, and what the others are that carry a model's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FORMAT: Final = "gguf"
"""The format of model files."""

MODEL_FORMATS: Final[dict[str, str]] = {".gguf": FORMAT}
"""File name ending → format."""

_PART: Final = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<ending>\.gguf)$", re.IGNORECASE)
_PROJECTOR: Final = re.compile(r"mm-?proj", re.IGNORECASE)

_BEGINNINGS: Final = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model it points to"),
    (b"ggml", "a model in the GGML format that came before GGUF"),
    (b"lmgg", "a model in the GGML format that came before GGUF"),
    (b"ggjt", "a model in the GGML format that came before GGUF"),
    (b"tjgg", "a model in the GGML format that came before GGUF"),
    (b"FUGG", "a big-endian GGUF, which isn't readable here"),
    (b"PK\x03\x04", "a zip archive, perhaps a PyTorch model, not a GGUF"),
    (b"\x80\x02", "a Python pickle, perhaps a PyTorch model, not a GGUF"),
    (b"\x1f\x8b", "gzipped; unpack it first"),
    (b"(\xb5/\xfd", "packed with zstd; unpack it first"),
    (b"%PDF", "a PDF, not a model"),
    (b"{", "a JSON text, not a model"),
)


def foreign_format(beginning: bytes) -> str | None:
    """Tell what a file is that begins so and isn't a GGUF, or None when it isn't known."""
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "a web page, not a model: the download was refused"
    if beginning[8:10] in {b'{"', b"{ "}:  # a length of eight bytes, then JSON
        return "a safetensors file, not a GGUF"
    if not beginning.strip(b"\0"):
        return "full of zeros: space was set aside but the download never came"
    return next((told for magic, told in _BEGINNINGS if beginning.startswith(magic)), None)


@dataclass(frozen=True, slots=True)
class SplitPart:
    """One file of a model in several: its number, from 1, and how many there are."""

    stem: str
    number: int
    count: int
    ending: str

    def sibling(self, number: int) -> str:
        """Return the file name of another part of the same model."""
        return f"{self.stem}-{number:05d}-of-{self.count:05d}{self.ending}"


def split_part(file_name: str) -> SplitPart | None:
    """Return which part of a model in several files the file is, or None for any other name."""
    match = _PART.match(file_name)
    if match is None:
        return None
    number, count = int(match["number"]), int(match["count"])
    return SplitPart(match["stem"], number, count, match["ending"]) if 1 <= number <= count else None


def is_projector_name(file_name: str) -> bool:
    """Tell whether a file's name is that of a projector, through which a vision model sees."""
    return bool(_PROJECTOR.search(file_name))
