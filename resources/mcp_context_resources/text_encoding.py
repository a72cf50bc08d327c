"""In which encoding bytes of text are written: byte-order marks, UTF-8, Japanese and Western encodings."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import Final

from mcp_context_resources.errors import InvalidInputError, UnreadableSourceError

SAMPLE_BYTES: Final = 256 << 10
"""How much of a file is looked at."""

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
# The escape sequences that switch to Japanese characters (RFC 1468, JIS X 0212, JIS X 0213).
_JIS_ESCAPE: Final = re.compile(rb"\x1b\$(?:[@B]|\([DOPQ])")
_JIS_VARIANTS: Final = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004", "iso2022_jp_3")
# Below this, bytes that happen to decode are not taken for Japanese.
_PLAUSIBLE: Final = 0.25
_ENOUGH_TEXT: Final = 30
_FEW: Final = 5
# Damaged UTF-8 is still UTF-8 while this share of its characters is whole.
_MOSTLY: Final = 0.98
# Standards as declared, and the superset that files in the wild use.
_SUPERSETS: Final = {
    "shift_jis": "cp932",
    "shift_jis_2004": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "iso8859-1": "cp1252",
    "ascii": "utf-8",
}


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Text, the Python name of the encoding it was written in, and notes where that was a guess or didn't fit."""

    text: str
    encoding: str
    notes: list[str] = field(default_factory=list)


def detect_encoding(content: bytes, name: str, preferred: str | None = None) -> str:
    """Return the Python name of the encoding of `content`, the bytes of the file `name`.

    A byte-order mark decides; then the escape sequences of ISO-2022-JP; else UTF-8 if everything is valid UTF-8; else
    `preferred`, if given; else CP932, EUC-JP and CP1252 by strict decoding and how plausible the text is, which works
    for a few words; else charset-normalizer's best guess.

    Raises `UnreadableSourceError` for empty content and for what is not text.
    """
    sample = content[:SAMPLE_BYTES]
    if (marked := marked_encoding(sample, name)) is not None:
        return marked
    if _JIS_ESCAPE.search(sample) and (jis := _strictly(content, _JIS_VARIANTS)):
        return jis
    if _strictly(content, ("utf-8",)):
        return "utf-8"
    return preferred or likely_encoding(sample, name)


def marked_encoding(sample: bytes, name: str, empty_hint: str = "There is nothing to read in it.") -> str | None:
    """Return the encoding that a byte-order mark at the beginning of the file `name` tells, None without one.

    Raises `UnreadableSourceError` for nothing but blanks and for what is not text.
    """
    if not sample.strip(_NOTHING):
        raise UnreadableSourceError(f"{name!r} is empty.", empty_hint)
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        raise UnreadableSourceError(f"{name!r} is binary data, not text.", "Check that the file is what its name says.")
    return None


def likely_encoding(sample: bytes, name: str) -> str:
    """Return the likeliest encoding of text that is not UTF-8, by the first bytes of the file `name`.

    Raises `UnreadableSourceError` where none fits.
    """
    return _japanese(sample) or _western(sample) or _guess(sample, name)


def decode_text(content: bytes, name: str, encoding: str | None = None) -> DecodedText:
    """Decode the bytes of the file `name` by `encoding`, or by the detected one; a byte-order mark is left out.

    Bytes that don't fit become U+FFFD, and a note counts them.

    Raises `UnreadableSourceError` as `detect_encoding`, `InvalidInputError` for an encoding Python doesn't know.
    """
    if encoding is not None:
        chosen = known_encoding(encoding)
        if chosen is None:
            raise InvalidInputError(f"There is no encoding {encoding!r}.", "Name one such as utf-8, cp932 or euc_jp.")
        if not content.strip(_NOTHING):
            raise UnreadableSourceError(f"{name!r} is empty.", "There is nothing to read in it.")
        notes = []
    else:
        chosen = _damaged_utf8(content) or _detected(content, name)
        notes = [] if chosen.startswith("utf") else [f"Its encoding was recognised as {chosen}."]
    text = content.decode(chosen, "replace")
    unfit = text.count("\ufffd") - (content.count(b"\xef\xbf\xbd") if chosen.startswith("utf-8") else 0)
    if unfit > 0 and not chosen.startswith(("utf-16", "utf-32")):
        notes.append(f"{unfit:,} places are not valid {chosen} and are shown as \ufffd.")
    return DecodedText(text.removeprefix("\ufeff"), chosen, notes)


def known_encoding(name: str) -> str | None:
    """Return Python's name of a text encoding as declared in a file, widened to its superset; None if unknown."""
    try:
        info = codecs.lookup(name.strip().strip("\"'"))
        "".encode(info.name)
    except (LookupError, ValueError):
        return None
    return _SUPERSETS.get(info.name, info.name)


def _detected(content: bytes, name: str) -> str:
    """Detect the encoding; text that fits none but is nearly ASCII is taken for UTF-8."""
    try:
        return detect_encoding(content, name)
    except UnreadableSourceError:
        sample = content[:SAMPLE_BYTES]
        unfit = len(sample.decode("utf-8", "replace")) - len(sample.decode("utf-8", "ignore"))
        if b"\0" in sample or not sample.strip(_NOTHING) or unfit > len(sample) * (1 - _MOSTLY):
            raise
        return "utf-8"


def _strictly(content: bytes, encodings: tuple[str, ...]) -> str | None:
    for encoding in encodings:
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return None


def _damaged_utf8(content: bytes) -> str | None:
    """Recognise UTF-8 with a few broken places: cut off, or joined from several sources as logs are."""
    sample = content[:SAMPLE_BYTES]
    if b"\0" in sample or sample.startswith(tuple(mark for mark, _ in _BOMS)):
        return None
    text = sample.decode("utf-8", "replace")
    wide = sum(character > "\x7f" for character in text)
    broken = text.count("\ufffd")
    if broken == 1 and text.endswith("\ufffd") and wide > _FEW:
        return "utf-8"  # cut off inside its last character
    return "utf-8" if broken and wide - broken >= wide * _MOSTLY and wide - broken >= _ENOUGH_TEXT else None


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
    fitting = sum(character.isalpha() or character in "’‘“”–—…€£°§«»½²³·©®™" for character in wide)
    return "cp1252" if fitting == len(wide) and accented * 3 <= letters else None


def _guess(sample: bytes, name: str) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None:
        raise UnreadableSourceError(f"{name!r} is not text in any encoding known here.", "Save the file as UTF-8.")
    return _SUPERSETS.get(best.encoding, best.encoding)
