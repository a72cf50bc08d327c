"""What differs between two texts, sentence by sentence, however their lines and pages are broken.

Sentences that stand once in each text are matched first (Bram Cohen's patience diff), and the gaps between them in the
same way, small ones by `difflib`: long texts take little time, and what stays together is kept together.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from mcp_context_resources.sentences import flat, sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.documents.spec import Page

MOST_SENTENCES: Final = 8_000
"""Most sentences of a text that are compared."""

_SMALL_GAP: Final = 10_000
_MOST_PAIRED: Final = 144
_MOST_PAIRED_IN_ALL: Final = 20_000
_MOST_ROUNDS: Final = 40
_ALIKE: Final = 0.5
_MOVED_CHARS: Final = 20
_LINES: Final = 3
_MOST_WORDS: Final = 300
_MOST_WORD_CHANGES: Final = 6
_REWRITTEN: Final = 0.5
_BLANKS: Final = re.compile(r"\s+")
# Of headings, quotations and lists in Markdown.
_MARKS: Final = re.compile(r"(?:#{1,6}|[>*+•・-])\s+")
_MOST_LINE: Final = 400
_MOST_NUMBER: Final = 16
_NO_WORD: Final = re.compile(r"[\W\d_]*")
_BROKEN_WORD: Final = re.compile(r"(?<=[a-z])-\n\s*(?=[a-z])")
_INNER_END: Final = re.compile(r"[.。!?！？]\s")
# A line of a table of contents; pages differ wherever anything does.
_LEADER: Final = re.compile(r"(?:\.{3,}|…|(?:\. ){3,}|[・･]{3,})\s*[0-9ivxlc]{1,6}\s*$")
# `12.`, `(3)`, `a)`, `第4条`, `Article 5`: not the number of `30 days` or `3.5 million`.
_ENUMERATOR: Final = re.compile(
    r"(?:\(?\d{1,3}[.)]|\([a-zA-Z]\)|[a-z]\)|第?\d{1,4}[条項章節号]|[①-⑳]"
    r"|(?:Article|Section|Clause|Chapter|§)\s?\d{1,3}(?:\.\d{1,3})*\.?)(?=[\s\u3000\u3041-\u9fff（(])\s*"
)
_WORD: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_\u3041-\u30ff\u3400-\u9fff]+|[\u30a1-\u30ff]+|[\u3400-\u9fff]|\S")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence: characters `start` to `end` of a page, on one line; `number` stands in front of it."""

    page: int
    start: int
    end: int
    text: str
    key: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Sentences of one text that stand in the place of those of the other; one of the two may be none."""

    a: tuple[Sentence, ...]
    b: tuple[Sentence, ...]


@dataclass(slots=True)
class Comparison:
    """What two texts have in common and what not; `same` counts sentences of the first."""

    a: int
    b: int
    same: int = 0
    share: float = 0.0
    changes: list[Change] = field(default_factory=list)
    moved: list[tuple[Sentence, Sentence]] = field(default_factory=list)
    renumbered: list[tuple[Sentence, Sentence]] = field(default_factory=list)


def sentences_of(pages: Sequence[Page]) -> list[Sentence]:
    """Take pages apart into sentences, tables and lists into their lines; a table of contents is left out."""
    found: list[Sentence] = []
    for page in pages:
        for start, end in _pieces(page.text):
            text = _MARKS.sub("", flat(_BROKEN_WORD.sub("", page.text[start:end])))
            plain = unicodedata.normalize("NFKC", text)
            number = _ENUMERATOR.match(plain)
            key = _BLANKS.sub("", plain[number.end() :] if number else plain)
            if any(character.isalnum() for character in key):
                shown = number[0].strip() if number else ""
                found.append(Sentence(page.number, start, end, text, key, shown))
    return found


def _whole(text: str) -> Iterator[tuple[int, int]]:
    """Yield where sentences begin and end, each with the number or sign in front of it on its line."""
    waiting: tuple[int, int] | None = None
    for start, end in sentences(text):
        begin = start
        if waiting is not None:
            if "\n" in text[waiting[1] : start]:
                yield waiting
            else:
                begin = waiting[0]
        waiting = None
        if end - begin <= _MOST_NUMBER and _NO_WORD.fullmatch(text, begin, end):
            waiting = begin, end
        else:
            yield begin, end
    if waiting is not None:
        yield waiting


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    contents = _contents_lines(text)
    for start, end in _whole(text):
        at = bisect_right(contents, (start, len(text)))
        beside = [span for span in contents[max(0, at - 1) : at + 1] if span[0] < end and start < span[1]]
        piece = text[start:end]
        if not beside and (piece.count("\n") < _LINES or _INNER_END.search(piece)):
            yield start, end
            continue
        for first, last in sentences(piece, lines=True):
            middle = start + first
            inside = bisect_right(contents, (middle, len(text))) - 1
            if inside < 0 or middle >= contents[inside][1]:
                yield middle, start + last


def _contents_lines(text: str) -> list[tuple[int, int]]:
    """Return where the lines of a table of contents stand."""
    found: list[tuple[int, int]] = []
    start = 0
    for line in text.split("\n"):
        if len(line) <= _MOST_LINE and _LEADER.search(line):
            found.append((start, start + len(line)))
        start += len(line) + 1
    return found


def compare(a: Sequence[Sentence], b: Sequence[Sentence]) -> Comparison:
    """Compare two texts."""
    found = Comparison(len(a), len(b))
    pairs = _matched([one.key for one in a], [one.key for one in b])
    found.same = len(pairs)
    found.renumbered = [(a[i], b[j]) for i, j in pairs if a[i].number != b[j].number]
    chars = sum(len(a[i].key) for i, _ in pairs)
    to_pair = _MOST_PAIRED_IN_ALL
    for (i, j), (next_i, next_j) in pairwise([(-1, -1), *pairs, (len(a), len(b))]):
        gap_a, gap_b = tuple(a[i + 1 : next_i]), tuple(b[j + 1 : next_j])
        if not gap_a and not gap_b:
            continue
        if "".join(one.key for one in gap_a) == "".join(one.key for one in gap_b):  # cut at other places
            found.same += len(gap_a)
            chars += sum(len(one.key) for one in gap_a)
            continue
        if not gap_a or not gap_b or len(gap_a) * len(gap_b) > min(_MOST_PAIRED, to_pair):
            found.changes.append(Change(gap_a, gap_b))
            continue
        to_pair -= len(gap_a) * len(gap_b)
        found.changes += _paired(gap_a, gap_b)
    _take_out_moved(found)
    chars += sum(len(one.key) for one, _ in found.moved)
    total = sum(len(one.key) for one in a) + sum(len(one.key) for one in b)
    found.share = 2 * chars / total if total else 1.0
    return found


def _matched(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Pair what is the same in both, in the order of both."""
    pairs: list[tuple[int, int]] = []
    gaps = [(0, len(a), 0, len(b), 0)]
    while gaps:
        i, i_end, j, j_end, depth = gaps.pop()
        while i < i_end and j < j_end and a[i] == b[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        while i < i_end and j < j_end and a[i_end - 1] == b[j_end - 1]:
            i_end, j_end = i_end - 1, j_end - 1
            pairs.append((i_end, j_end))
        if i == i_end or j == j_end:
            continue
        anchors = _anchors(a[i:i_end], b[j:j_end]) if depth < _MOST_ROUNDS else []
        if anchors:
            placed = [(i + x, j + y) for x, y in anchors]
            pairs += placed
            for (x, y), (next_x, next_y) in pairwise([(i - 1, j - 1), *placed, (i_end, j_end)]):
                gaps.append((x + 1, next_x, y + 1, next_y, depth + 1))
        elif (i_end - i) * (j_end - j) <= _SMALL_GAP:
            blocks = difflib.SequenceMatcher(None, a[i:i_end], b[j:j_end], autojunk=False).get_matching_blocks()
            pairs += [(i + block.a + at, j + block.b + at) for block in blocks for at in range(block.size)]
    return sorted(pairs)


def _anchors(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest rising sequence of pairs of what stands once in each."""
    count_a, count_b = Counter(a), Counter(b)
    place = {key: j for j, key in enumerate(b) if count_b[key] == 1}
    pairs = [(i, place[key]) for i, key in enumerate(a) if count_a[key] == 1 and key in place]
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for at, (_, j) in enumerate(pairs):
        rank = bisect_left(ends, j)
        before.append(last[rank - 1] if rank else -1)
        if rank == len(ends):
            ends.append(j)
            last.append(at)
        else:
            ends[rank], last[rank] = j, at
    rising: list[tuple[int, int]] = []
    at = last[-1] if last else -1
    while at >= 0:
        rising.append(pairs[at])
        at = before[at]
    return rising[::-1]


def _paired(a: tuple[Sentence, ...], b: tuple[Sentence, ...]) -> list[Change]:
    """Put sentences of a gap side by side that are versions of each other, in the order of both."""
    if len(a) == 1 and len(b) == 1:
        return [Change(a, b)]
    words_a, words_b = ([Counter(_WORD.findall(one.text)) for one in side] for side in (a, b))
    alike = [[_likeness(one, other) for other in words_b] for one in words_a]
    # The best sum of likenesses over the first i and j sentences.
    best = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a)):
        for j in range(len(b)):
            paired = best[i][j] + alike[i][j] if alike[i][j] >= _ALIKE else 0.0
            best[i + 1][j + 1] = max(best[i][j + 1], best[i + 1][j], paired)
    pairs: list[tuple[int, int]] = []
    i, j = len(a), len(b)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    changes = []
    for (i, j), (next_i, next_j) in pairwise([(-1, -1), *reversed(pairs), (len(a), len(b))]):
        if i + 1 < next_i or j + 1 < next_j:
            changes.append(Change(a[i + 1 : next_i], b[j + 1 : next_j]))
        if next_i < len(a):
            changes.append(Change((a[next_i],), (b[next_j],)))
    return changes


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """Return the share of words that two sentences have in common (Dice's coefficient)."""
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def _take_out_moved(found: Comparison) -> None:
    """Take sentences out of the changes that stand in the other text at another place."""
    gone = Counter(one.key for change in found.changes for one in change.a)
    new: dict[str, Sentence] = {}
    for change in found.changes:
        for one in change.b:
            if len(one.key) >= _MOVED_CHARS and gone[one.key] == 1:
                new.setdefault(one.key, one)
    taken: set[Sentence] = set()
    for change in found.changes:
        for one in change.a:
            if one.key in new:
                found.moved.append((one, new[one.key]))
                taken |= {one, new[one.key]}
    left = (
        Change(tuple(one for one in change.a if one not in taken), tuple(one for one in change.b if one not in taken))
        for change in found.changes
    )
    found.changes = [change for change in left if change.a or change.b]


def changed_words(a: str, b: str) -> list[tuple[str, str]]:
    """Return the words that differ between two versions of a sentence; none where it was written anew."""
    one, other = (_WORD.findall(unicodedata.normalize("NFKC", text)) for text in (a, b))
    if not one or not other or max(len(one), len(other)) > _MOST_WORDS:
        return []
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < _REWRITTEN:
        return []
    found = [
        (_joined(one[i:i_end]), _joined(other[j:j_end]))
        for kind, i, i_end, j, j_end in matcher.get_opcodes()
        if kind != "equal"
    ]
    return found if len(found) <= _MOST_WORD_CHANGES else []


def _joined(words: Sequence[str]) -> str:
    text = ""
    for word in words:
        apart = text and text[-1].isascii() and text[-1].isalnum() and word[0].isascii() and word[0].isalnum()
        text += f" {word}" if apart else word
    return text
