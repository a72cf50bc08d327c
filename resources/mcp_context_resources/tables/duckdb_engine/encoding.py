"""Encoding: in which one a text file is written, and a UTF-8 copy where the engine can't read it."""

from __future__ import annotations

import codecs
import gzip
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from mcp_context_resources.errors import UnreadableSourceError
from mcp_context_resources.text_encoding import SAMPLE_BYTES, likely_encoding, marked_encoding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from mcp_context_resources.cache import Cache

PACKING_ERRORS: Final = (OSError, EOFError, zlib.error, zstd.ZstdError)
"""What reading a damaged packed file raises."""

_BLOCK_BYTES: Final = 1 << 20


def encoding_of_file(path: str, preferred: str | None = None) -> str:
    """Return the Python name of the encoding a text file is written in.

    A byte-order mark decides; else UTF-8 if the whole file is valid UTF-8; else `preferred`, if given; else CP932,
    EUC-JP and CP1252 by strict decoding and how plausible the text is, which works for a few words; else
    charset-normalizer's best guess.

    Raises `UnreadableSourceError` for an empty file and for one that is not text.
    """
    name = Path(path).name
    with open_bytes(path) as file:
        sample = file.read(SAMPLE_BYTES)
    marked = marked_encoding(sample, name, "A table needs at least a header line.")
    if marked is not None:
        return marked
    return "utf-8" if _is_utf8(path) else preferred or likely_encoding(sample, name)


def utf8_copy(path: str, encoding: str, fingerprint: str, cache: Cache) -> str:
    """Return the path of a UTF-8 copy of a text file, made once for each version of the file.

    Raises `UnreadableSourceError` naming the byte where the file stops being valid.
    """
    name = f"{fingerprint}-{encoding}.csv"
    if (existing := cache.get(name)) is not None:
        return str(existing)
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with open_bytes(path) as source, cache.create(name) as target:
        while block := source.read(_BLOCK_BYTES):
            try:
                target.write(decoder.decode(block).encode())
            except UnicodeDecodeError as error:
                raise UnreadableSourceError(
                    f"{Path(path).name!r} looks like {encoding} but byte {done + error.start:,} is not.",
                    "Save the file as UTF-8.",
                ) from error
            done += len(block)
        target.write(decoder.decode(b"", final=True).encode())
    copy = cache.get(name)
    if copy is None:
        raise UnreadableSourceError(f"The UTF-8 copy of {Path(path).name!r} vanished.", "Try again.")
    return str(copy)


def open_bytes(path: str) -> BinaryIO:
    """Open a file for reading, unpacked where its name ends in `.gz` or `.zst`; reading may raise `PACKING_ERRORS`."""
    if path.lower().endswith(".gz"):
        return cast("BinaryIO", gzip.open(path, "rb"))
    if path.lower().endswith(".zst"):
        return cast("BinaryIO", zstd.open(path, "rb"))
    return open(path, "rb")


def check_packing(path: str) -> None:
    """Read a packed file to its end: of one that was cut short the engine would wait for the rest.

    Raises `PACKING_ERRORS`.
    """
    if path.lower().endswith((".gz", ".zst")):
        with open_bytes(path) as file:
            while file.read(_BLOCK_BYTES):
                pass


def _is_utf8(path: str) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as file:
        try:
            while block := file.read(_BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True
