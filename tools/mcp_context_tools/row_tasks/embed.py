"""`embed`: a vector for each row to compare it by, and for what is looked for in SQL."""

from __future__ import annotations

import base64
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from mcp_context_resources.errors import DeadlineExceededError
from mcp_context_resources.tables.model_tables.journal import Finding
from mcp_context_resources.tables.model_tables.spec import MapColumn
from mcp_context_tools.row_tasks.task import Batch, RowTask
from mcp_context_tools.row_tasks.wording import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue

_KEPT: Final = 256
_SECONDS: Final = 60.0


class QueryVectors:
    """Embeds texts as queries (see `tables.embedding_calls.Embedder`); the last ones are kept."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._kept: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()

    async def __call__(self, catalogue: Catalogue, texts: Sequence[str], model: str | None) -> list[list[float]]:
        """Return a vector for each text, by the model of that name or the usual one.

        Raises `DeadlineExceededError` and what models raise.
        """
        choice = await self._models.choose(catalogue, "embed", model)
        source = choice.source
        # Models of one server have no file that would tell them apart.
        version = source.format, source.file, source.name, source.fingerprint
        # Kept here: while the model works another call may push them out.
        found = {text: self._kept[*version, text] for text in texts if (*version, text) in self._kept}
        if new := list(dict.fromkeys(text for text in texts if text not in found)):
            made = await self._models.embed(choice, new, "query", deadline=_SECONDS)
            numbers = struct.unpack(f"<{len(made.vectors) // 4}f", made.vectors)
            if len(numbers) < len(new) * made.dimensions:
                raise DeadlineExceededError("Embedding the texts of the statement took too long.", "Call again.")
            for place, text in enumerate(new):
                found[text] = list(numbers[place * made.dimensions : (place + 1) * made.dimensions])
        for text, vector in found.items():
            self._kept[*version, text] = vector
            self._kept.move_to_end((*version, text))
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return [found[text] for text in texts]


EMBEDDING: Final = "embedding"
CUT: Final = "cut: only the beginning of the text was read"
_NUMBER_BYTES: Final = 4


class Embed(RowTask):
    """Makes a vector of each text, as a passage that is to be found."""

    name = "embed"
    role: Role = "embed"
    batch = 64
    step = 64
    settled: Mapping[str, Any] = {"task": "embed", "version": VERSION}
    columns: tuple[MapColumn, ...] = (MapColumn(EMBEDDING, "FLOAT[]", vectors=True),)

    @override
    def frame(self) -> tuple[str, int]:
        return "", 0

    @override
    async def work(
        self, models: Models, model: Choice, texts: Sequence[str], deadline: float, on_progress: Progress
    ) -> Batch:
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
