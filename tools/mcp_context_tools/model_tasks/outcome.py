"""Outcome of a task of `run_model`: what it hands back, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError
from mcp_context_tools.rendering import Untrusted, compact_json, cost, provenance, refs
from mcp_context_tools.tool import ToolResult

if TYPE_CHECKING:
    from mcp_context_resources.models.spec import Finish
    from mcp_context_tools.model_tasks.call import ModelCall
    from mcp_context_tools.passages import Material


REMEDIES: Final[dict[Finish, str]] = {
    "length": "raise max_tokens or ask for less",
    "deadline": "raise models.deadline_seconds or ask for less",
    "repeating": "the model went round in circles; ask otherwise or use a larger model",
    "cancelled": "the caller gave up",
}
"""What can be done about each reason for which a text was cut."""


@dataclass(slots=True)
class Outcome:
    """An answer as `text` to read and as `data`.

    `cut_list` names a list in `data` that may be cut from its end, and `lines` are its entries in the text: words of
    the sources, shown between marks.
    """

    text: str
    data: dict[str, Any]
    finish: Finish = "stop"
    notes: list[str] = field(default_factory=list)
    cut_list: str = ""
    lines: list[str] = field(default_factory=list)


def render(outcome: Outcome, call: ModelCall, material: Material, max_chars: int) -> ToolResult:
    """Write an outcome with what it cost and where it came from, within `max_chars` of both channels.

    Raises `InvalidInputError` for a JSON value that is too long.
    """
    spent = call.cost()
    data: dict[str, Any] = {
        **outcome.data,
        "finish": outcome.finish,
        "truncated": outcome.finish != "stop",
        **spent,
        "sources": refs(material.sources),
    }
    notes = [*material.notes, *outcome.notes]
    if notes:
        data["notes"] = notes
    tail = "".join(f"\n{note}" for note in notes)
    if outcome.finish != "stop":
        tail += f"\nCut ({outcome.finish}): {REMEDIES[outcome.finish]}."
    tail += (
        f"\nModel: {spent['model']} ({spent['quantization']}, {spent['device']}; {spent['chosen']}),"
        f" {spent['prompt_tokens']:,} tokens in, {spent['completion_tokens']:,} out, {spent['seconds']:.1f} s."
    )
    if material.chars:
        written = len(outcome.text) + sum(map(len, outcome.lines))
        saved = max(0, round((material.chars - written) * call.tokens_a_char))
        data["saved_tokens"] = saved
        if saved > 0:
            tail += f" Saved your context about {saved:,} tokens."
    if material.sources:
        tail += f"\n{provenance(material.sources)}"
    return _fitted(outcome, data, tail, max_chars)


def _fitted(outcome: Outcome, data: dict[str, Any], tail: str, max_chars: int) -> ToolResult:
    untrusted = Untrusted()

    def written(lines: list[str], more: str = "") -> str:
        if not lines:
            return f"{outcome.text}{more}{tail}"
        return f"{outcome.text}{untrusted.warning}\n{untrusted.wrap(''.join(lines).rstrip(), 'sources')}{more}{tail}"

    result = ToolResult(written(outcome.lines), data)
    if cost(result.text, result.data) <= max_chars:
        return result
    data["truncated"] = True
    if outcome.cut_list:
        entries, lines = data[outcome.cut_list], outcome.lines
        while entries:
            entries, lines = entries[:-1], lines[:-1]
            data[outcome.cut_list] = entries
            text = written(lines, f"\n… [{len(outcome.lines) - len(lines)} more left out]")
            if cost(text, data) <= max_chars:
                return ToolResult(text, data)
    if "text" not in data:
        raise InvalidInputError("The answer is too long for one result.", "Lower max_tokens, or ask for less.")
    answer: str = data["text"]
    room = max(0, max_chars - cost(tail, data | {"text": ""}) - 200) * len(answer) // (2 * len(compact_json(answer)))
    data["text"] = answer[:room]
    return ToolResult(f"{answer[:room]}… [cut to fit {max_chars:,} characters]{tail}", data)
