"""Header lines of e-mail as people read them: encoded words (RFC 2047), parameters (RFC 2231), raw bytes."""

from __future__ import annotations

import email.errors
import email.utils
import re
from email.header import decode_header
from email.policy import Compat32
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.markup.rich_text import visible
from mcp_context_resources.errors import ContextError
from mcp_context_resources.text_encoding import decode_text, known_encoding

if TYPE_CHECKING:
    from email.message import Message

_LONGEST: Final = 20_000
_MOST_ADDRESSES: Final = 500
_BETWEEN_WORDS: Final = re.compile(r"(\?=)\s+(=\?)")
_JIS: Final = "iso2022_jp"
_JIS_SUPERSETS: Final = ("iso2022_jp_ext", "iso2022_jp_3")


class RawHeaders(Compat32):
    """The policy of the standard library that decodes nothing by itself, with header values as they came."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 - the signature of policies
        """Return the value with its undecodable bytes escaped."""
        return value


def header(message: Message, name: str) -> str:
    """Return a header decoded, on one line; empty when it isn't there."""
    return _unfolded(decoded_words(_raw_text(str(message.get(name, "")))))


def addresses(message: Message, name: str) -> list[str]:
    """Return the addresses of a header as `Name <address>`, at most 500."""
    raw = [_raw_text(str(value))[:_LONGEST] for value in message.get_all(name, [])]
    found = []
    for name_shown, address in email.utils.getaddresses(raw)[:_MOST_ADDRESSES]:
        shown = _unfolded(decoded_words(name_shown))
        found.append(f"{shown} <{address}>" if shown and address else shown or address)
    return [address for address in found if address]


def file_name(part: Message) -> str:
    """Return the file name a part suggests, decoded; empty without one."""
    try:
        name = part.get_filename("")
    except (ValueError, LookupError, email.errors.MessageError):
        return ""
    return _unfolded(decoded_words(name)).replace("\\", "/").rpartition("/")[2][:255]


def decoded(content: bytes, charset: str | None) -> str:
    """Decode the text of a part by its charset, else by detection; what doesn't fit becomes U+FFFD."""
    known = known_encoding(charset) if charset else None
    for candidate in (known, *(_JIS_SUPERSETS if known == _JIS else ())):
        if candidate:
            try:
                return content.decode(candidate)
            except UnicodeDecodeError:
                continue
    try:
        # A declared charset that doesn't fit is often plain wrong, ASCII above all.
        return decode_text(content, "text").text
    except ContextError:
        return content.decode(known or "utf-8", "replace")


def decoded_words(text: str) -> str:
    """Decode RFC 2047 words, joining the bytes of neighbours first: mailers cut inside characters."""
    if "=?" not in text:
        return text
    try:
        parts = decode_header(_BETWEEN_WORDS.sub(r"\1 \2", text[:_LONGEST]))
    except (email.errors.HeaderParseError, ValueError):
        return text
    shown = []
    for content, charset in parts:
        shown.append(content if isinstance(content, str) else decoded(content, charset or "ascii") if content else "")
    return "".join(shown)


def _raw_text(text: str) -> str:
    """Turn a header value into text; bytes that are not ASCII were never allowed, but are common."""
    try:
        raw = text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return text
    return decoded(raw, None) if b"\x1b" in raw or any(byte > 0x7F for byte in raw) else text


def _unfolded(text: str) -> str:
    return " ".join(visible(text).split())[:_LONGEST]
