"""Header of a GGUF file, read without llama.cpp: bounded, and never trusting a number in it.

Read through a plain file, not a memory map: another program may cut the file while it is read.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from mcp_context_resources.errors import ModelUnavailableError
from mcp_context_resources.models.formats import foreign_format

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TENSOR_TYPES: Final[dict[int, tuple[int, int]]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
    40: (64, 36), 41: (128, 18),
}  # fmt: skip
"""`enum ggml_type` → elements in a block, bytes of a block."""

Scalar = int | float | bool | str

_VERSIONS: Final = (2, 3)
_SCALARS: Final = {
    0: struct.Struct("<B"), 1: struct.Struct("<b"), 2: struct.Struct("<H"), 3: struct.Struct("<h"),
    4: struct.Struct("<I"), 5: struct.Struct("<i"), 6: struct.Struct("<f"), 7: struct.Struct("<?"),
    10: struct.Struct("<Q"), 11: struct.Struct("<q"), 12: struct.Struct("<d"),
}  # fmt: skip
_STRING: Final = 8
_ARRAY: Final = 9
_U32: Final = _SCALARS[4]
_U64: Final = _SCALARS[10]

_MAX_HEADER_BYTES: Final = 64 << 20
_MAX_TENSORS: Final = 100_000
_MAX_KEYS: Final = 10_000
_MAX_STRINGS: Final = 2_000_000
_MAX_TEXT_BYTES: Final = 1 << 20
_MAX_NAME_BYTES: Final = 1 << 16
_MAX_DIMENSIONS: Final = 4
_MAX_ELEMENTS: Final = 1 << 50
_MAX_ALIGNMENT: Final = 1 << 16
_KEPT_NUMBERS: Final = 512  # models with a number for each of their layers
_KEPT_TEXTS: Final = 64
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """An array too long to be kept: the number of its element type and how many there are."""

    type: int
    count: int


Value = Scalar | tuple[Scalar, ...] | ArrayInfo


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of itself.

    `metadata` keeps short arrays (512 numbers, 64 texts) and only the size of longer ones. `parameters` is the number
    of elements of all `tensors`, `tensor_bytes` their size, and `data_end` the smallest file that holds them.
    """

    version: int
    metadata: Mapping[str, Value]
    tensors: int
    parameters: int
    tensor_bytes: int
    data_end: int


def read_header(path: Path, name: str | None = None) -> GgufHeader:
    """Read the header of a GGUF file; errors call the file `name`, or by its file name.

    Raises `ModelUnavailableError` for a file that is no GGUF, is damaged, or is shorter than its tensors need.
    """
    name = name or path.name
    try:
        if not path.is_file():
            raise ModelUnavailableError(f"There is no model file {name!r}.", "List the models to see what there is.")
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            header = _parse(_HeaderBytes(file, name), size)
    except OSError as error:
        raise ModelUnavailableError(
            f"The model {name!r} can't be read: {error.strerror or 'unknown reason'}.", "Check the file's permissions."
        ) from error
    if header.data_end > size:
        raise ModelUnavailableError(
            f"The model {name!r} is cut short: {header.data_end - size:,} of {header.data_end:,} bytes are missing.",
            "The download stopped early or still runs: fetch the file again.",
        )
    return header


class _HeaderBytes:
    """Takes numbers and texts from the front of a file, never more of it than a header may have."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.strings_left = _MAX_STRINGS
        self._file = file
        self._data = b""
        self._at = 0
        self._before = 0

    @property
    def position(self) -> int:
        """How many bytes were taken."""
        return self._before + self._at

    def damaged(self, what: str) -> ModelUnavailableError:
        """Make the error for a header that can't be true."""
        return ModelUnavailableError(
            f"The model {self.name!r} is damaged: {what}.", "Fetch the file again, or name another model."
        )

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        self._fill(count)
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, kind: struct.Struct) -> Scalar:
        """Return the next number of that kind."""
        value: Scalar = kind.unpack(self.take(kind.size))[0]
        return value

    def count(self, kind: struct.Struct, most: int, what: str) -> int:
        """Return the next number, which counts something and is at most `most`."""
        value = int(self.number(kind))
        if value > most:
            raise self.damaged(f"its header tells of {value:,} {what}")
        return value

    def text(self, most: int) -> str:
        """Return the next text; what isn't UTF-8 in it is replaced."""
        return self.take(self.count(_U64, most, "bytes in one text")).decode(errors="replace")

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""
        if self.position + count > _MAX_HEADER_BYTES:
            raise self.damaged("its header has no end")
        while count:
            self._fill(step := min(count, _CHUNK))
            self._at += step
            count -= step

    def skip_texts(self, count: int) -> None:
        """Pass over `count` texts, quickly: a vocabulary may have a quarter of a million."""
        self.strings_left -= count
        if self.strings_left < 0:
            raise self.damaged(f"its header has more than {_MAX_STRINGS:,} texts")
        unpack, data, at = _U64.unpack_from, self._data, self._at
        for _ in range(count):
            end = at + 8 + unpack(data, at)[0] if at + 8 <= len(data) else -1
            if 0 <= end <= len(data):
                at = end
                continue
            self._at = at
            self.skip(int(self.number(_U64)))
            data, at = self._data, self._at
        self._at = at

    def _fill(self, count: int) -> None:
        """Make at least `count` bytes ready."""
        short = self._at + count - len(self._data)
        if short <= 0:
            return
        if self.position + count > _MAX_HEADER_BYTES:
            raise self.damaged("its header has no end")
        self._before += self._at
        self._data = self._data[self._at :] + self._file.read(max(short, _CHUNK))
        self._at = 0
        if len(self._data) < count:
            raise self.damaged("it ends inside its header")


def _parse(reader: _HeaderBytes, size: int) -> GgufHeader:
    _check_magic(reader, size)
    version = int(reader.number(_U32))
    if version not in _VERSIONS:
        what = "big-endian GGUF" if version & 0xFFFF == 0 and version else f"GGUF of version {version:,}"
        raise ModelUnavailableError(
            f"The model {reader.name!r} is {what}, which isn't readable here.", "Get a GGUF of version 3 of the model."
        )
    tensors = reader.count(_U64, _MAX_TENSORS, "tensors")
    keys = reader.count(_U64, _MAX_KEYS, "keys")
    metadata = {reader.text(_MAX_NAME_BYTES): _value(reader, int(reader.number(_U32))) for _ in range(keys)}
    parameters = tensor_bytes = end = 0
    for _ in range(tensors):
        elements, occupied, offset = _tensor(reader)
        parameters += elements
        tensor_bytes += occupied
        end = max(end, offset + occupied)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT:
        raise reader.damaged("its alignment is no sensible number")
    start = math.ceil(reader.position / alignment) * alignment
    return GgufHeader(version, metadata, tensors, parameters, tensor_bytes, start + end if tensors else reader.position)


def _check_magic(reader: _HeaderBytes, size: int) -> None:
    if size == 0:
        raise ModelUnavailableError(f"The model {reader.name!r} is an empty file.", "Fetch the file again.")
    first = reader.take(min(size, 4))
    if first == b"GGUF":
        return
    first += reader.take(min(size, 512) - len(first))
    raise ModelUnavailableError(
        f"{reader.name!r} is {foreign_format(first) or 'not a GGUF model file'}.",
        "Download the model's GGUF file itself, or name another model.",
    )


def _value(reader: _HeaderBytes, kind: int) -> Value:
    if kind == _ARRAY:
        return _array(reader)
    return _scalar(reader, kind)


def _scalar(reader: _HeaderBytes, kind: int) -> Scalar:
    if kind == _STRING:
        return reader.text(_MAX_TEXT_BYTES)
    number = _SCALARS.get(kind)
    if number is None:
        raise reader.damaged(f"its header has a value of unknown type {kind:,}")
    return reader.number(number)


def _array(reader: _HeaderBytes) -> Value:
    kind = int(reader.number(_U32))
    count = reader.count(_U64, _MAX_HEADER_BYTES, "values in one array")
    if count <= (_KEPT_TEXTS if kind == _STRING else _KEPT_NUMBERS):
        return tuple(_scalar(reader, kind) for _ in range(count))
    if kind == _STRING:
        reader.skip_texts(count)
    elif kind in _SCALARS:
        reader.skip(count * _SCALARS[kind].size)
    else:
        raise reader.damaged(f"its header has an array of unknown type {kind:,}")
    return ArrayInfo(kind, count)


def _tensor(reader: _HeaderBytes) -> tuple[int, int, int]:
    """Return elements, bytes and offset of the next tensor."""
    reader.skip(reader.count(_U64, _MAX_NAME_BYTES, "bytes in one name"))
    dimensions = reader.count(_U32, _MAX_DIMENSIONS, "dimensions of a tensor")
    shape = [reader.count(_U64, _MAX_ELEMENTS, "elements in a tensor") for _ in range(dimensions)]
    kind = int(reader.number(_U32))
    offset = int(reader.number(_U64))
    elements = math.prod(shape)
    if elements > _MAX_ELEMENTS or offset > _MAX_ELEMENTS:
        raise reader.damaged("a tensor of it is larger than any disk")
    # A type of a later llama.cpp takes at least an eighth of a byte an element; only the check of the length is laxer.
    block, size = TENSOR_TYPES.get(kind, (8, 1))
    return elements, math.ceil(elements / block) * size, offset
