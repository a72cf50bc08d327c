"""What a task is to the one who runs it over many texts: columns to fill, and batches of texts worked on at once."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.tables.model_tables.journal import Finding
    from mcp_context_resources.tables.model_tables.spec import MapColumn
    from mcp_context_resources.workers.pool import Progress

_WORD_DIGITS: Final = 16


@dataclass(slots=True)
class Batch:
    """What came of a batch: findings for texts by their position in it, and what it cost.

    `unfinished` tells that the deadline came before all texts were done.
    """

    findings: dict[int, Finding] = field(default_factory=dict)
    unfinished: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    quantization: str = ""
    device: str = ""


class RowTask(Protocol):
    """Something that is done with each text by itself.

    `settled` is all that decides what comes out, besides the model and the text. `batch` texts are worked on at first,
    later as many as take a few seconds, in steps of `step`.
    """

    name: str
    role: Role
    settled: Mapping[str, Any]
    columns: tuple[MapColumn, ...]
    batch: int
    step: int

    def frame(self) -> tuple[str, int]:
        """Return all of the prompt but the text, and how many tokens the answer may have; ("", 0): of no matter."""

    async def work(
        self, models: Models, model: Choice, texts: Sequence[str], deadline: float, on_progress: Progress
    ) -> Batch:
        """Work on some texts. Progress counts what there is to do in any unit. Raises what models raise."""


class Quotation:
    """Marks around a row's text, so that a model takes it as data.

    What is settled and a secret of the server decide them, so no text can know them. They are the same for every row,
    for what all prompts begin with is read once.
    """

    def __init__(self, settled: str, key: bytes) -> None:
        self._word = hmac.new(key, settled.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:_WORD_DIGITS]

    def wrap(self, text: str) -> str:
        """Put marks around a text."""
        return f"<{self._word}>\n{self.cleaned(text)}\n</{self._word}>"

    def cleaned(self, text: str) -> str:
        """Take the word of the marks out of a text, also where taking it out puts it together anew."""
        while self._word in text:
            text = text.replace(self._word, "")
        return text.strip()
