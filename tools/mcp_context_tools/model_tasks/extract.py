"""`extract`: JSON that follows a schema, its values traced to where they stand in the sources."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import ContextError
from mcp_context_resources.models.json_schema import validation_problem
from mcp_context_resources.models.spec import Generation
from mcp_context_tools.model_tasks.generate import marked
from mcp_context_tools.model_tasks.outcome import REMEDIES, Outcome
from mcp_context_tools.model_tasks.wording import wording
from mcp_context_tools.rendering import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.models.spec import Generated
    from mcp_context_tools.model_tasks.call import ModelCall
    from mcp_context_tools.passages import Material, Passage

_MAX_TRACED: Final = 40
_AROUND_CHARS: Final = 40
_MIN_CHARS: Final = 2
_MAX_MARKED: Final = 8


async def extract(
    call: ModelCall, prompt: str, material: Material, json_schema: dict[str, Any], max_tokens: int
) -> Outcome:
    """Let the model fill in JSON; an answer that isn't valid is tried once more with what was wrong.

    Raises `ContextError` when the second one isn't valid either, `PromptTooLongError`, `InvalidInputError`.
    """
    words = wording(prompt, *(passage.text[:2_000] for passage in material.passages))
    text = marked(material.passages)
    request = prompt or words.extract_request
    user = f"{text}\n\n{request}" if text else request

    async def attempt(user: str) -> tuple[Generated, Any, str | None]:
        asked = Generation(words.extract, user, max_tokens, json_schema=json_schema)
        made = (await call.generate([asked], "extracting"))[0]
        return made, *parsed(made, json_schema)

    made, value, problem = await attempt(user)
    retried = problem is not None and made.finish == "stop"
    if retried:
        made, value, problem = await attempt(f"{user}\n\n{words.repair.format(problem=problem)}")
    if problem is not None:
        raise ContextError(
            f"The model's answer does not follow the schema: {problem}",
            "Try a simpler schema, or a larger model."
            if made.finish == "stop"
            else f"It was cut ({made.finish}): {REMEDIES[made.finish]}.",
        )
    data: dict[str, Any] = {"json": value}
    notes = ["The first answer broke the schema; the second follows it."] if retried else []
    if material.passages:
        traced, untraced = trace(value, material.passages)
        data |= {"traced": traced, "untraced": untraced}
        if untraced:
            notes.append(f"Not found in the sources, check them: {', '.join(untraced[:10])}.")
    return Outcome(compact_json(value), data, made.finish, notes)


def parsed(made: Generated, json_schema: dict[str, Any]) -> tuple[Any, str | None]:
    """Read what a model wrote as JSON; returns the value and what is wrong with it, if anything is."""
    if made.finish != "stop":
        return None, f"it was not finished after {made.completion_tokens:,} tokens ({made.finish})"
    try:
        value = json.loads(made.text)
    except (ValueError, RecursionError) as error:
        return None, f"it is not JSON ({error})"
    return value, validation_problem(value, json_schema)


def trace(value: Any, passages: list[Passage]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Find where the strings and numbers of a JSON value stand in passages.

    Returns the citations of those found, by their JSON paths, and the paths of those that aren't there.
    """
    folded = [(passage, *_folded(passage.text)) for passage in passages]
    found: dict[str, dict[str, str]] = {}
    missing: list[str] = []
    for path, leaf in _leaves(value, "$"):
        if len(found) + len(missing) >= _MAX_TRACED:
            break
        pattern = _pattern(leaf)
        if pattern is None:
            continue
        for passage, text, places in folded:
            if match := pattern.search(text):
                start, end = places[match.start()][0], places[match.end() - 1][1]
                quote = " ".join(passage.text[max(0, start - _AROUND_CHARS) : end + _AROUND_CHARS].split())
                found[path] = {"uri": passage.cite(start, end), "quote": quote}
                break
        else:
            missing.append(path)
    return found, missing


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str | int | float]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _leaves(child, f"{path}.{key}")
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _leaves(child, f"{path}[{number}]")
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield path, value


def _pattern(leaf: object) -> re.Pattern[str] | None:
    """Return what finds a value however it is written; None for one too short to tell anything."""
    if isinstance(leaf, str):
        words = _folded(leaf)[0].split()
        text = "".join(words)
        return re.compile(r"\s*".join(map(re.escape, text))) if len(text) >= _MIN_CHARS else None
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return None
    digits = format(Decimal(repr(leaf)), "f")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    whole, _, fraction = digits.lstrip("-").partition(".")
    grouped = ",?".join(re.findall(r"\d{1,3}(?=(?:\d{3})*$)", whole))
    end = rf"\.{fraction}0*" if fraction else r"(?:\.0+)?"
    return re.compile(rf"(?<![\d.,]){grouped}{end}(?![\d]|[.,]\d)")


def _folded(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Fold width and case; returns the text and for each of its characters from where to where it came from."""
    characters: list[str] = []
    places: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = start + 1
        while end < min(len(text), start + _MAX_MARKED) and _is_mark(text[end]):
            end += 1
        for one in unicodedata.normalize("NFKC", text[start:end]).casefold():
            characters.append(one)
            places.append((start, end))
        start = end
    return "".join(characters), places


def _is_mark(character: str) -> bool:
    """Tell whether a character only changes the one before it; half-width voiced sound marks do."""
    return character in "\uff9e\uff9f" or unicodedata.combining(character) > 0
