"""In which encoding a text file is written, and a UTF-8 copy where the engine can't read it."""

from __future__ import annotations

import codecs
import gzip
import re
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from mcp_context_resources.errors import UnreadableSourceError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from mcp_context_resources.cache import Cache

PACKING_ERRORS: Final = (OSError, EOFError, zlib.error, zstd.ZstdError)
"""What reading a damaged packed file raises."""

_SAMPLE_BYTES: Final = 256 << 10
_BLOCK_BYTES: Final = 1 << 20
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Byte-order marks, blanks and line ends, in encodings of one byte and of two.
_NOTHING: Final = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_KANA_AND_MARKS: Final = re.compile(
    "[ぁ-ゖァ-ヺー々〆、。・「」『』（）［］【】！？：；％＆＃＊＋－＝／～〜￥○×△▲▼●◎■□◆★→①-⑳㈱０-９Ａ-Ｚａ-ｚ\u3000]"
)
# Below this, bytes that happen to decode are not taken for Japanese.
_PLAUSIBLE: Final = 0.25
_ENOUGH_TEXT: Final = 30
# A detector names the narrow standard; files in the wild use its superset.
_SUPERSETS: Final = {"shift_jis": "cp932", "shift_jis_2004": "cp932", "gb2312": "gb18030", "ascii": "utf-8"}


def detect_encoding(path: str, preferred: str | None = None) -> str:
    """Return the Python name of the encoding a text file is written in.

    A byte-order mark decides; else UTF-8 if the whole file is valid UTF-8; else `preferred`, if given; else CP932,
    EUC-JP and CP1252 by strict decoding and how plausible the text is, which works for a few words; else
    charset-normalizer's best guess.

    Raises `UnreadableSourceError` for an empty file and for one that is not text.
    """
    with open_bytes(path) as file:
        sample = file.read(_SAMPLE_BYTES)
    if not sample.strip(_NOTHING):
        raise UnreadableSourceError(f"{Path(path).name!r} is empty.", "A table needs at least a header line.")
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        raise UnreadableSourceError(
            f"{Path(path).name!r} is binary data, not text.", "Check that the file is what its name says."
        )
    if _is_utf8(path):
        return "utf-8"
    return preferred or _japanese(sample) or _western(sample) or _guess(sample, path)


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


def _japanese(sample: bytes) -> str | None:
    """Tell CP932 and EUC-JP apart by how common the characters are that each makes of the bytes, or give up."""
    best, best_score = None, _PLAUSIBLE
    for encoding in ("cp932", "euc_jp"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        wide = [character for character in text if ord(character) > 0x7F]
        score = sum(_commonness(character) for character in wide) / max(len(wide), 1)
        # EUC-KR and GB2312 use the same bytes as EUC-JP, but make no kana of them.
        foreign = encoding == "euc_jp" and len(wide) >= _ENOUGH_TEXT and not re.search("[ぁ-ゖァ-ヺ]", text)
        if score > best_score and not foreign:
            best, best_score = encoding, score
    return best


def _commonness(character: str) -> float:
    """Rate how ordinary a character is in Japanese text: 1 for kana and everyday kanji, down to -1."""
    if _KANA_AND_MARKS.match(character):
        return 1.0
    if "｡" <= character <= "ﾟ":  # half-width: what EUC-JP bytes look like when read as CP932
        return 0.3
    if not "一" <= character <= "龥":
        return -1.0
    row = character.encode("euc_jp", "replace")[0]
    return 1.0 if 0xB0 <= row <= 0xCF else 0.2  # JIS X 0208 level 1 holds the everyday kanji


def _western(sample: bytes) -> str | None:
    """Recognise CP1252: mostly unaccented letters, some accented ones."""
    try:
        text = codecs.getincrementaldecoder("cp1252")().decode(sample)
    except UnicodeDecodeError:
        return None
    wide = [character for character in text if ord(character) > 0x7F]
    letters = sum(character.isalpha() for character in text)
    accented = sum(character.isalpha() for character in wide)
    fitting = sum(character.isalpha() or character in "’‘“”–—…€£°§«»½²³·" for character in wide)
    return "cp1252" if fitting == len(wide) and accented * 3 <= letters else None


def _guess(sample: bytes, path: str) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None:
        raise UnreadableSourceError(
            f"{Path(path).name!r} is not text in any encoding known here.", "Save the file as UTF-8."
        )
    return _SUPERSETS.get(best.encoding, best.encoding)
