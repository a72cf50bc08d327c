"""Ways to damage a PDF, each by a random generator of a known seed, so that a finding can be made again."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    Mutation = Callable[[bytes, Random], bytes]

_NUMBER: Final = re.compile(rb"(?<=[\s\[/(<])-?\d{1,10}(?=[\s\]/)>])")
_STREAM: Final = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_REFERENCE: Final = re.compile(rb"\b\d{1,7} \d{1,5} R\b")
_TABLE: Final = re.compile(rb"startxref\s+\d+|xref\s+\d+ \d+|\d{10} \d{5} [nf]|/Prev \d+|/Size \d+|/W ?\[[^\]]*\]")
_NUMBERS: Final = (
    b"0",
    b"-1",
    b"1",
    b"7",
    b"65536",
    b"2147483647",
    b"-2147483648",
    b"4294967296",
    b"9999999999",
    b"0.1",
)
_MOST_CHUNK: Final = 4_096
_MOST_INFLATED: Final = 1 << 20


def mutated(seed: bytes, random: Random) -> tuple[bytes, str]:
    """Return a damaged copy of `seed` and the names of what was done to it, one to three things."""
    names = random.choices(list(MUTATIONS), k=random.choice((1, 1, 2, 3)))
    for name in names:
        if seed:
            seed = MUTATIONS[name](seed, random)
    return seed, "+".join(names)


def flip_bits(data: bytes, random: Random) -> bytes:
    """Flip one to forty bits."""
    out = bytearray(data)
    for _ in range(random.choice((1, 5, 40))):
        out[random.randrange(len(out))] ^= 1 << random.randrange(8)
    return bytes(out)


def delete_chunk(data: bytes, random: Random) -> bytes:
    """Leave out a piece."""
    start, end = _piece(data, random)
    return data[:start] + data[end:]


def duplicate_chunk(data: bytes, random: Random) -> bytes:
    """Write a piece twice, or many times."""
    start, end = _piece(data, random)
    return data[:end] + data[start:end] * random.choice((1, 1, 20)) + data[end:]


def swap_chunks(data: bytes, random: Random) -> bytes:
    """Let two pieces change places."""
    middle = len(data) // 2
    if not middle:
        return data
    a, b = _piece(data[:middle], random)
    c, d = (middle + place for place in _piece(data[middle:], random))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def truncate(data: bytes, random: Random) -> bytes:
    """Cut off the end."""
    return data[: random.randrange(len(data))]


def tweak_numbers(data: bytes, random: Random) -> bytes:
    """Put absurd numbers in place of some."""
    return _replaced(data, _NUMBER, random, lambda _: random.choice(_NUMBERS))


def redirect_references(data: bytes, random: Random) -> bytes:
    """Point some references at other objects, which makes loops and wrong types."""
    found = _REFERENCE.findall(data)
    return _replaced(data, _REFERENCE, random, lambda _: random.choice(found))


def damage_table(data: bytes, random: Random) -> bytes:
    """Make numbers of the cross-reference table wrong."""
    return _replaced(data, _TABLE, random, lambda old: re.sub(rb"\d", lambda _: b"%d" % random.randrange(10), old))


def splice_streams(data: bytes, random: Random) -> bytes:
    """Put one stream's content in place of another's."""
    found = list(_STREAM.finditer(data))
    if len(found) < 2:
        return flip_bits(data, random)
    one, other = random.sample(found, 2)
    return data[: one.start(1)] + other[1] + data[one.end(1) :]


def damage_inside_stream(data: bytes, random: Random) -> bytes:
    """Damage what is packed inside a stream, and pack it again."""
    found = list(_STREAM.finditer(data))
    random.shuffle(found)
    for match in found[:5]:
        try:
            inner = zlib.decompressobj().decompress(match[1], _MOST_INFLATED)
        except zlib.error:
            continue
        if inner:
            change = random.choice((flip_bits, delete_chunk, duplicate_chunk, tweak_numbers))
            return data[: match.start(1)] + zlib.compress(change(inner, random)) + data[match.end(1) :]
    return flip_bits(data, random)


MUTATIONS: Final[dict[str, Mutation]] = {
    change.__name__: change
    for change in (
        flip_bits,
        delete_chunk,
        duplicate_chunk,
        swap_chunks,
        truncate,
        tweak_numbers,
        redirect_references,
        damage_table,
        splice_streams,
        damage_inside_stream,
    )
}


def _piece(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data))
    return start, min(len(data), start + random.randint(1, max(1, min(_MOST_CHUNK, len(data) // 4))))


def _replaced(data: bytes, pattern: re.Pattern[bytes], random: Random, new: Callable[[bytes], bytes]) -> bytes:
    """Put something new in place of up to five of the matches."""
    found: Sequence[re.Match[bytes]] = list(pattern.finditer(data))
    if not found:
        return flip_bits(data, random)
    chosen = random.sample(found, min(len(found), random.choice((1, 2, 5))))
    for match in sorted(chosen, key=lambda match: -match.start()):
        data = data[: match.start()] + new(match[0]) + data[match.end() :]
    return data
