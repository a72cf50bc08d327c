"""Cutting texts to what a model's context holds beside the rest of the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import PromptTooLongError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_tools.row_tasks.task import RowTask

# What a chat format adds to a prompt.
_FORMAT_TOKENS: Final = 96
_LEAST_TOKENS: Final = 64
_CHARS_A_TOKEN: Final = 8
_UNCOUNTED_CHARS: Final = 32_000
_COUNTED_AT_ONCE: Final = 32
_TRIES: Final = 8


async def fitted(models: Models, model: Choice, task: RowTask, texts: Mapping[int, str]) -> dict[int, str]:
    """Return the texts that are too long, by their positions, each cut to what fits.

    Raises `PromptTooLongError` when prompt, labels or schema leave no room for a text, and what models raise.
    """
    frame, answer = task.frame()
    if not answer:  # the model reads as far as it can, and says so
        return {place: text[:_UNCOUNTED_CHARS] for place, text in texts.items() if len(text) > _UNCOUNTED_CHARS}
    context = models.context_tokens(model)
    # A token stands for a byte at least, so what is short needs no counting.
    fixed = len(frame.encode()) + _FORMAT_TOKENS + answer
    if all(fixed + len(text.encode("utf-8", "replace")) <= context for text in texts.values()):
        return {}
    [frame_tokens] = await models.count_tokens(model, [frame])
    room = context - frame_tokens - _FORMAT_TOKENS - answer
    if room < _LEAST_TOKENS:
        raise PromptTooLongError(
            f"Prompt, labels or schema take {frame_tokens:,} tokens and the answer up to {answer:,}: of the context of"
            f" {context:,} nothing is left for a row's text.",
            "Shorten them, lower max_tokens, or raise models.context_tokens.",
        )
    long = {place: text for place, text in texts.items() if len(text.encode("utf-8", "replace")) > room}
    cut: dict[int, str] = {}
    for _ in range(_TRIES):
        shortened = {place: text[: room * _CHARS_A_TOKEN] for place, text in long.items()}
        long = {}
        places = list(shortened)
        for start in range(0, len(places), _COUNTED_AT_ONCE):
            some = places[start : start + _COUNTED_AT_ONCE]
            counts = await models.count_tokens(model, [shortened[place] for place in some])
            for place, count in zip(some, counts, strict=True):
                text = shortened[place]
                if count > room:
                    long[place] = text[: int(len(text) * room / count * 0.97)]
                elif len(text) < len(texts[place]):
                    cut[place] = text
        if not long:
            break
    return cut | {place: text[: room // _CHARS_A_TOKEN] for place, text in long.items()}
