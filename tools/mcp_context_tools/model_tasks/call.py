"""One call of `run_model`: the model, the time that is left, and what it has cost so far."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mcp_context_resources.workers.job import deadline_exceeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.spec import Finish, Generated, Generation
    from mcp_context_tools.tool import Report, Services


class ModelCall:
    """Generates texts within one deadline and adds up tokens and seconds."""

    def __init__(self, services: Services, model: Choice, report: Report) -> None:
        self.services = services
        self.model = model
        self.report = report
        self.started = time.monotonic()
        self._ends = self.started + services.models.settings.deadline_seconds
        self.generated: list[Generated] = []
        self._prompt_chars = 0

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._ends - time.monotonic())

    @property
    def context_tokens(self) -> int:
        """How many tokens the model's context holds."""
        return self.services.models.context_tokens(self.model)

    @property
    def is_small(self) -> bool:
        """Whether the model is one that loses its way in more than a few sentences."""
        return 0 < self.model.card.parameters < 1_000_000_000

    async def generate(self, requests: Sequence[Generation], doing: str) -> list[Generated]:
        """Generate a text for each request; progress counts their tokens under the words `doing`.

        Raises `DeadlineExceededError` when there is no time left, and what `Models.generate` raises.
        """
        if self.seconds_left <= 0:
            raise deadline_exceeded(self.services.models.settings.deadline_seconds)

        async def progress(done: float, total: float) -> None:
            await self.report(done, total or None, f"{doing}: {done:,.0f} of at most {total:,.0f} tokens")

        made = await self.services.models.generate(
            self.model, requests, deadline=self.seconds_left, on_progress=progress
        )
        self.generated += made
        self._prompt_chars += sum(len(request.system) + len(request.user) for request in requests)
        return made

    @property
    def tokens_a_char(self) -> float:
        """How many tokens a character took in the prompts of this call, their format included."""
        return sum(one.prompt_tokens for one in self.generated) / max(1, self._prompt_chars)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text."""
        return await self.services.models.count_tokens(self.model, texts)

    def cost(self) -> dict[str, Any]:
        """Return what the call has cost, as structured content."""
        made, source, card = self.generated, self.model.source, self.model.card
        cost: dict[str, Any] = {
            "model": source.name,
            "quantization": made[-1].quantization if made else card.quantization,
            "device": made[-1].device if made else "",
            "chosen": self.model.reason,
            "prompt_tokens": sum(one.prompt_tokens for one in made),
            "completion_tokens": sum(one.completion_tokens for one in made),
            "seconds": round(time.monotonic() - self.started, 2),
        }
        if thinking := sum(one.thinking_tokens for one in made):
            cost["thinking_tokens"] = thinking
        return cost


def worst(made: Sequence[Generated]) -> Finish:
    """Return the reason for which a text ended that concerns the caller most."""
    order: tuple[Finish, ...] = ("cancelled", "deadline", "repeating", "length", "stop")
    return min((one.finish for one in made), key=order.index, default="stop")
