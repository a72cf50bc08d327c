"""Writes a GGUF file of version 3: metadata, then tensors copied as they are."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIGNMENT: Final = 32
F32: Final = 0
Q4_0: Final = 2

_VERSION: Final = 3
_BLOCKS: Final = {F32: (1, 4), Q4_0: (32, 18)}
_COPIED: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Uint32:
    """A whole number of 32 bits."""

    value: int


@dataclass(frozen=True, slots=True)
class Int32s:
    """An array of whole numbers."""

    values: Sequence[int]


Value = str | bool | float | bytes | Uint32 | Int32s | list[bytes] | list[float]
"""What metadata can be; bytes are an array of single bytes, a list of bytes an array of texts."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor to copy from `offset` of the source; `shape` has the fastest-running dimension first."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def bytes(self) -> int:
        """How many bytes it takes."""
        elements = 1
        for length in self.shape:
            elements *= length
        block, size = _BLOCKS[self.type]
        return elements // block * size


def write_gguf(target: BinaryIO, metadata: dict[str, Value], tensors: Sequence[Tensor], source: BinaryIO) -> None:
    """Write a model into `target`; the tensors' bytes come from `source`.

    Raises `EOFError` when the source ends too early.
    """
    target.write(struct.pack("<4sIQQ", b"GGUF", _VERSION, len(tensors), len(metadata)))
    target.writelines(_text(key.encode()) + _value(value) for key, value in metadata.items())
    offset = 0
    for tensor in tensors:
        shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        target.write(_text(tensor.name.encode()) + shape + struct.pack("<IQ", tensor.type, offset))
        offset += tensor.bytes + -tensor.bytes % ALIGNMENT
    target.write(bytes(-target.tell() % ALIGNMENT))
    for tensor in tensors:
        _copy(source, tensor, target)
        target.write(bytes(-tensor.bytes % ALIGNMENT))


def _copy(source: BinaryIO, tensor: Tensor, target: BinaryIO) -> None:
    source.seek(tensor.offset)
    left = tensor.bytes
    while left:
        data = source.read(min(left, _COPIED))
        if not data:
            raise EOFError(f"{tensor.name} is cut short")
        target.write(data)
        left -= len(data)


def _text(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _value(value: Value) -> bytes:
    if isinstance(value, bytes | list | Int32s):
        return _array(value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value.encode())
    if isinstance(value, Uint32):
        return struct.pack("<II", 4, value.value)
    return struct.pack("<I?", 7, value) if isinstance(value, bool) else struct.pack("<If", 6, value)


def _array(value: bytes | list[bytes] | list[float] | Int32s) -> bytes:
    if isinstance(value, bytes):
        return struct.pack("<IIQ", 9, 0, len(value)) + value
    if isinstance(value, Int32s):
        return struct.pack(f"<IIQ{len(value.values)}i", 9, 5, len(value.values), *value.values)
    if texts := [_text(text) for text in value if isinstance(text, bytes)]:
        return struct.pack("<IIQ", 9, 8, len(texts)) + b"".join(texts)
    return struct.pack(f"<IIQ{len(value)}f", 9, 6, len(value), *value)
