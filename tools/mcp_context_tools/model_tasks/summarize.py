"""`summarize`: any length in parts, each point with the page it came from, no part left out.

Each part is summarised by itself, several at once; a point that no sentence of its part supports is dropped and
counted, and a part of which nothing is left speaks through its own most telling sentence. Points are then condensed in
groups, the same way, until they are few enough.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from mcp_context_resources.errors import DeadlineExceededError
from mcp_context_resources.models.spec import Generation
from mcp_context_resources.sentences import flat, sentences
from mcp_context_tools.model_tasks.call import worst
from mcp_context_tools.model_tasks.outcome import Outcome
from mcp_context_tools.model_tasks.wording import wording
from mcp_context_tools.relevance import Relevance, Sentence, best_support, sentences_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.spec import Finish, Generated
    from mcp_context_tools.model_tasks.call import ModelCall
    from mcp_context_tools.passages import Material

_PART_TOKENS: Final = 1_200
_SMALL_MODELS_PART: Final = 500
_POINTS_A_PART: Final = 4
_SMALL_MODELS_POINTS: Final = 2
_MOST_POINTS: Final = 15
_GROUP: Final = 12
_AT_ONCE: Final = 16
_POINT_TOKENS: Final = 60
_PROMPT_TOKENS: Final = 200
_BULLET: Final = re.compile(r"^\s*(?:[-*•・●–—]\s+|[•・●]\s*|\(?\d{1,2}[.)、:：](?!\d)\s*|[①-⑳]\s*)*")


@dataclass(frozen=True, slots=True)
class Point:
    """A statement and the sentence of the sources that supports it; `quoted` ones are that sentence itself."""

    text: str
    sentence: Sentence
    quoted: bool = False


async def summarize(call: ModelCall, prompt: str, material: Material, max_tokens: int | None) -> Outcome:
    """Summarise all sources. `prompt` may say what matters.

    At the deadline the parts read so far are returned and `finish` says so.
    """
    every = await anyio.to_thread.run_sync(sentences_of, material.passages)
    counts = await _counts(call, every)
    parts = _parts(every, counts, _part_tokens(call))
    most = _MOST_POINTS if max_tokens is None else max(1, min(_MOST_POINTS, max_tokens // _POINT_TOKENS))
    points, dropped, finish, read = await _mapped(call, prompt, parts)
    condensed = len(points) > most
    while len(points) > most and finish == "stop" and call.seconds_left > 0:
        try:
            fewer, more_dropped, finish = await _condensed(call, prompt, points, most)
        except DeadlineExceededError:  # what was read is worth more than what was not condensed
            break
        dropped += more_dropped
        if len(fewer) >= len(points):
            break
        points = fewer
    if len(points) > most:
        points = await anyio.to_thread.run_sync(_most_telling, points, most)
    return _outcome(points, len(parts), read, dropped, finish, condensed=condensed)


def _part_tokens(call: ModelCall) -> int:
    wanted = _SMALL_MODELS_PART if call.is_small else _PART_TOKENS
    return max(100, min(wanted, call.context_tokens - _POINTS_A_PART * _POINT_TOKENS - _PROMPT_TOKENS))


async def _counts(call: ModelCall, every: Sequence[Sentence]) -> list[int]:
    found: list[int] = []
    for start in range(0, len(every), 2_000):
        found += await call.count_tokens([sentence.text for sentence in every[start : start + 2_000]])
    return found


def _parts(every: Sequence[Sentence], counts: Sequence[int], most: int) -> list[list[Sentence]]:
    """Cut sentences into parts of up to `most` tokens, at the end of a page where there is one in the last quarter."""
    parts: list[list[Sentence]] = []
    part: list[Sentence] = []
    tokens = 0
    for sentence, count in zip(every, counts, strict=True):
        new_page = bool(part) and sentence.passage is not part[-1].passage
        if part and (tokens + count > most or (new_page and tokens > most * 3 // 4)):
            parts.append(part)
            part, tokens = [], 0
        part.append(sentence)
        tokens += count + 1
    return [*parts, part] if part else parts


async def _mapped(
    call: ModelCall, prompt: str, parts: Sequence[list[Sentence]]
) -> tuple[list[Point], int, Finish, int]:
    """Summarise each part; returns points in the order of the sources, how many were dropped, and the parts read."""
    points: list[Point] = []
    points_a_part = _SMALL_MODELS_POINTS if call.is_small else _POINTS_A_PART
    dropped = read = 0
    for start in range(0, len(parts), _AT_ONCE):
        group = parts[start : start + _AT_ONCE]
        requests = [_request(call, prompt, [sentence.text for sentence in part], points_a_part) for part in group]
        last = min(start + _AT_ONCE, len(parts))
        made = await call.generate(requests, f"summarising parts {start + 1}-{last} of {len(parts)}")
        for part, one in zip(group, made, strict=True):
            if one.finish in {"deadline", "cancelled"}:
                continue
            found, lost = _supported(one, part)
            points += found or _own_words(part)
            dropped += lost
            read += 1
        finish = worst(made)
        if finish in {"deadline", "cancelled"} or call.seconds_left <= 0:
            stopped: Finish = "cancelled" if finish == "cancelled" else "deadline"
            return points, dropped, "stop" if read == len(parts) else stopped, read
    return points, dropped, "stop", read


async def _condensed(
    call: ModelCall, prompt: str, points: Sequence[Point], most: int
) -> tuple[list[Point], int, Finish]:
    """Make fewer points of many, group by group."""
    groups = [points[start : start + _GROUP] for start in range(0, len(points), _GROUP)]
    wanted = max(1, min(_GROUP // 3, most // len(groups)))
    requests = [_request(call, prompt, [point.text for point in group], wanted, condense=True) for group in groups]
    made: list[Generated] = []
    for start in range(0, len(requests), _AT_ONCE):
        made += await call.generate(requests[start : start + _AT_ONCE], f"condensing {len(points)} points")
    fewer: list[Point] = []
    dropped = 0
    for group, one in zip(groups, made, strict=True):
        found, lost = _supported(one, [point.sentence for point in group])
        dropped += lost
        fewer += found[:wanted] or _most_telling(group, wanted)
    return fewer, dropped, worst([one for one in made if one.finish != "length"])


def _request(call: ModelCall, prompt: str, texts: Sequence[str], points: int, *, condense: bool = False) -> Generation:
    words = wording(prompt, " ".join(texts)[:2_000])
    task = words.condense if condense else words.summarize_briefly if call.is_small else words.summarize
    system = task.format(points=points)
    if prompt.strip():
        system += f" {prompt.strip()}"
    text = "\n".join(texts) if condense else " ".join(texts)
    return Generation(system, text, min(points * _POINT_TOKENS, call.context_tokens // 4), repeat_penalty=1.05)


def _supported(made: Generated, part: Sequence[Sentence]) -> tuple[list[Point], int]:
    """Read the points a model wrote; those that no sentence of the part supports are dropped and counted."""
    found: dict[str, Point] = {}
    dropped = 0
    written = (_BULLET.sub("", line) for line in made.text.splitlines())
    lines = [flat(line[start:end]) for line in written for start, end in sentences(line)]
    lines = [line for line in lines if any(character.isalnum() for character in line)]
    if made.finish != "stop" and len(lines) > 1:
        lines.pop()  # cut in the middle
    for line in lines:
        sentence, _ = best_support(line, part)
        if sentence is None:
            dropped += 1
        elif line not in found:
            found[line] = Point(line, sentence)
    distinct: dict[tuple[str, int], Point] = {}
    for point in found.values():
        distinct.setdefault((point.sentence.uri, point.sentence.start), point)
    return list(distinct.values())[:_POINTS_A_PART], dropped


def _own_words(part: Sequence[Sentence]) -> list[Point]:
    """Return the part's most telling sentence."""
    relevance = Relevance([sentence.text for sentence in part])
    best = max(part, key=lambda sentence: relevance.centrality(sentence.text))
    return [Point(best.text, best, quoted=True)]


def _most_telling(points: Sequence[Point], most: int) -> list[Point]:
    """Choose the most typical points, in their order."""
    relevance = Relevance([point.text for point in points])
    chosen = sorted(points, key=lambda point: -relevance.centrality(point.text))[:most]
    return [point for point in points if point in chosen]


def _outcome(
    points: Sequence[Point], parts: int, read: int, dropped: int, finish: Finish, *, condensed: bool
) -> Outcome:
    entries: list[dict[str, Any]] = []
    lines: list[str] = []
    for point in points:
        sentence = point.sentence
        entry: dict[str, Any] = {"text": point.text, "uri": sentence.uri, "source": sentence.passage.source}
        if sentence.passage.page is not None:
            entry["page"] = sentence.passage.page
        if point.quoted:
            entry["quoted"] = True
        else:
            entry["quote"] = sentence.text
        entries.append(entry)
        mark = "“{}”" if point.quoted else "{}"
        lines.append(f"- {mark.format(point.text)} [{sentence.passage.source}, {sentence.passage.label}]\n")
    data: dict[str, Any] = {"points": entries, "parts": parts, "parts_read": read, "dropped": dropped}
    notes = []
    if read == parts:
        notes.append(f"Read in {parts} parts; none was left out{', and condensed' if condensed else ''}.")
    else:
        notes.append(f"Only {read} of {parts} parts were read before the time was up.")
    if dropped:
        notes.append(f"Dropped: {dropped} points that no sentence of the sources supports.")
    if any(point.quoted for point in points):
        notes.append("Points in quotation marks are sentences of the sources: the model's own were not supported.")
    return Outcome("", data, finish, notes, cut_list="points", lines=lines)
