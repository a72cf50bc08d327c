"""`generate`: what a prompt asks for, written for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from mcp_context_resources.models.spec import Generation
from mcp_context_resources.tables.model_tables.journal import Finding
from mcp_context_resources.tables.model_tables.spec import MapColumn
from mcp_context_tools.row_tasks.task import Batch, Quotation, RowTask
from mcp_context_tools.row_tasks.wording import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.models.spec import Generated, Role
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_tools.row_tasks.wording import RowWording

COLUMN: Final = "generated"


class Generate(RowTask):
    """Writes what `prompt` asks for about each text, up to `max_tokens`; `parallel` texts at once.

    `key` is the secret that the marks around texts are made of.
    """

    name = "generate"
    role: Role = "chat"

    def __init__(self, prompt: str, max_tokens: int, parallel: int, wording: RowWording, *, key: bytes) -> None:
        self._max_tokens = max_tokens
        self.batch, self.step = 2 * parallel, parallel
        self.settled: Mapping[str, Any] = {
            "task": self.name,
            "version": VERSION,
            "language": wording.language,
            "prompt": prompt,
            "max_tokens": max_tokens,
        }
        self.columns: tuple[MapColumn, ...] = (MapColumn(COLUMN, "VARCHAR"),)
        self._quotation = Quotation(str(self.settled), key)
        self._system = f"{wording.generate} {wording.data_only}"
        self._before = f"{prompt}\n\n{wording.text}\n"

    @override
    def frame(self) -> tuple[str, int]:
        return self._system + self._before + self._quotation.wrap(""), self._max_tokens

    @override
    async def work(
        self, models: Models, model: Choice, texts: Sequence[str], deadline: float, on_progress: Progress
    ) -> Batch:
        requests = [
            Generation(self._system, self._before + self._quotation.wrap(text), self._max_tokens) for text in texts
        ]
        batch = Batch()
        for place, made in enumerate(
            await models.generate(model, requests, deadline=deadline, on_progress=on_progress)
        ):
            count(batch, made)
            if made.finish in {"stop", "length"}:
                problem = f"cut at {self._max_tokens:,} tokens" if made.finish == "length" else ""
                batch.findings[place] = Finding({COLUMN: made.text}, problem)
            else:
                batch.unfinished = True
        return batch


def count(batch: Batch, made: Generated) -> None:
    """Add what one answer cost to a batch."""
    batch.tokens_in += made.prompt_tokens
    batch.tokens_out += made.completion_tokens
    batch.quantization, batch.device = made.quantization, made.device
