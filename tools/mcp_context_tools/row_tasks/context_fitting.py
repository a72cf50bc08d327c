"""Context fitting: texts cut to what a model's context holds beside the rest of the prompt."""

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


class Fitting:
    """Cuts the texts of one task for one model, a few at a time; what the prompt takes is counted once."""

    def __init__(self, models: Models, model: Choice, task: RowTask) -> None:
        self._models = models
        self._model = model
        self._frame, self._answer = task.frame()
        self._room: int | None = None

    async def fitted(self, texts: Mapping[int, str]) -> dict[int, str]:
        """Return those of some texts that are too long, by their positions, each cut to what fits.

        Raises `PromptTooLongError` when prompt, labels or schema leave no room for a text, and what models raise.
        """
        if not self._answer:  # the model reads as far as it can, and says so
            return {place: text[:_UNCOUNTED_CHARS] for place, text in texts.items() if len(text) > _UNCOUNTED_CHARS}
        context = self._models.context_tokens(self._model)
        # A token stands for a byte at least, so what is short needs no counting.
        fixed = len(self._frame.encode()) + _FORMAT_TOKENS + self._answer
        if all(fixed + len(text.encode("utf-8", "replace")) <= context for text in texts.values()):
            return {}
        if self._room is None:
            self._room = await self._counted_room(context)
        return await self._cut(texts, self._room)

    async def _counted_room(self, context: int) -> int:
        [frame_tokens] = await self._models.count_tokens(self._model, [self._frame])
        room = context - frame_tokens - _FORMAT_TOKENS - self._answer
        if room < _LEAST_TOKENS:
            raise PromptTooLongError(
                f"Prompt, labels or schema take {frame_tokens:,} tokens and the answer up to {self._answer:,}: of the"
                f" context of {context:,} nothing is left for a row's text.",
                "Shorten them, lower max_tokens, or raise models.context_tokens.",
            )
        return room

    async def _cut(self, texts: Mapping[int, str], room: int) -> dict[int, str]:
        long = {place: text for place, text in texts.items() if len(text.encode("utf-8", "replace")) > room}
        cut: dict[int, str] = {}
        for _ in range(_TRIES):
            shortened = {place: text[: room * _CHARS_A_TOKEN] for place, text in long.items()}
            long = {}
            places = list(shortened)
            for start in range(0, len(places), _COUNTED_AT_ONCE):
                some = places[start : start + _COUNTED_AT_ONCE]
                counts = await self._models.count_tokens(self._model, [shortened[place] for place in some])
                for place, count in zip(some, counts, strict=True):
                    text = shortened[place]
                    if count > room:
                        long[place] = text[: int(len(text) * room / count * 0.97)]
                    elif len(text) < len(texts[place]):
                        cut[place] = text
            if not long:
                break
        return cut | {place: text[: room // _CHARS_A_TOKEN] for place, text in long.items()}
