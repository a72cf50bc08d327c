"""`embed`: a vector for each row, to compare it by."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.tables.model_tables.journal import Finding
from mcp_context_resources.tables.model_tables.spec import MapColumn
from mcp_context_tools.row_tasks.task import Batch
from mcp_context_tools.row_tasks.wording import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.workers.pool import Progress

EMBEDDING: Final = "embedding"
CUT: Final = "cut: only the beginning of the text was read"
_NUMBER_BYTES: Final = 4


class Embed:
    """Makes a vector of each text, as a passage that is to be found."""

    name = "embed"
    role: Role = "embed"
    batch = 64
    step = 64
    settled: Mapping[str, Any] = {"task": "embed", "version": VERSION}
    columns: tuple[MapColumn, ...] = (MapColumn(EMBEDDING, "FLOAT[]", vectors=True),)

    def frame(self) -> tuple[str, int]:
        """See `RowTask`."""
        return "", 0

    async def work(
        self, models: Models, model: Choice, texts: Sequence[str], deadline: float, on_progress: Progress
    ) -> Batch:
        """See `RowTask`."""
        made = await models.embed(model, texts, "passage", deadline=deadline, on_progress=on_progress)
        size, cut = made.dimensions * _NUMBER_BYTES, set(made.cut)
        findings = {
            place: Finding(
                {EMBEDDING: base64.b64encode(made.vectors[place * size : (place + 1) * size]).decode()},
                CUT if place in cut else "",
            )
            for place in range(len(made.vectors) // size)
        }
        return Batch(
            findings,
            len(findings) < len(texts),
            tokens_in=made.tokens,
            quantization=made.quantization,
            device=made.device,
        )
