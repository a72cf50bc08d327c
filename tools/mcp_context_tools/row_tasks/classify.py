"""`classify`: which of some labels fits a row, by how likely the model finds each of them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.spec import Choosing
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
    from mcp_context_tools.row_tasks.wording import RowWording

MAX_LABELS: Final = 100
MAX_LABEL_CHARS: Final = 100
MAX_DESCRIPTION_CHARS: Final = 1_000


def check_labels(given: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Return labels with what each means, "" where that isn't told.

    Raises `InvalidInputError` for too few or too many, for empty or repeated ones, and for one that is too long.
    """
    pairs = list(given.items()) if isinstance(given, dict) else [(label, "") for label in given]
    if not 2 <= len(pairs) <= MAX_LABELS:
        raise InvalidInputError(
            f"There {'is' if len(pairs) == 1 else 'are'} {len(pairs)} label{'' if len(pairs) == 1 else 's'};"
            f" 2 to {MAX_LABELS} are allowed.",
            "Give labels as a list of names, or as an object of names with what each means.",
        )
    labels: dict[str, str] = {}
    seen: dict[str, str] = {}
    for number, (label, meaning) in enumerate(pairs, start=1):
        name = " ".join(label.split())
        if not name:
            raise InvalidInputError(f"Label {number} is empty.", "Give it a name, or leave it out.")
        if len(name) > MAX_LABEL_CHARS or len(meaning) > MAX_DESCRIPTION_CHARS:
            raise InvalidInputError(
                f"Label {number} is too long: a name may have {MAX_LABEL_CHARS} characters, its meaning"
                f" {MAX_DESCRIPTION_CHARS:,}.",
                "Shorten it; what a label means goes into its description.",
            )
        key = unicodedata.normalize("NFKC", name).casefold()
        if key in seen:
            raise InvalidInputError(f"The labels {seen[key]!r} and {name!r} are the same.", "Leave one of them out.")
        seen[key] = name
        labels[name] = " ".join(meaning.split())
    return labels


LABEL: Final = "label"
SCORE: Final = "score"
SCORES: Final = "scores"
NO_LABEL: Final = "the model named none of the labels"


class Classify(RowTask):
    """Gives each text one of `labels` (names with what they mean), or none where the best scores below `threshold`."""

    name = "classify"
    role: Role = "chat"
    batch = 32
    step = 8

    def __init__(
        self, labels: Mapping[str, str], prompt: str, threshold: float, wording: RowWording, *, scores: bool
    ) -> None:
        self._labels = tuple(labels)
        self.settled: Mapping[str, Any] = {
            "task": self.name,
            "version": VERSION,
            "language": wording.language,
            "labels": list(labels.items()),
            "prompt": prompt,
        }
        # The threshold is put on when the table is written, so that trying another one costs no work.
        least = (SCORE, threshold) if threshold else None
        self.columns: tuple[MapColumn, ...] = (MapColumn(LABEL, "VARCHAR", least=least), MapColumn(SCORE, "DOUBLE"))
        if scores:
            self.columns += (MapColumn(SCORES, "MAP(VARCHAR, DOUBLE)"),)
        self._neutral = wording.nothing
        listed = "\n".join(f"- {label}: {meaning}" if meaning else f"- {label}" for label, meaning in labels.items())
        # No marks around the text: the answer is one of the labels whatever it says, and they would cost a third more.
        self._system = f"{prompt or wording.classify} {wording.text_is_data}"
        self._before = f"{wording.labels}\n{listed}\n\n{wording.one_label}\n\n{wording.text}\n"

    @override
    def frame(self) -> tuple[str, int]:
        return self._system + self._user(""), 70

    @override
    async def work(
        self, models: Models, model: Choice, texts: Sequence[str], deadline: float, on_progress: Progress
    ) -> Batch:
        request = Choosing(
            self._system, tuple(map(self._user, texts)), self._labels, tuple(map(self._user, self._neutral))
        )
        chosen = await models.label(model, request, deadline=deadline, on_progress=on_progress)
        findings = {place: self._finding(row) for place, row in enumerate(chosen.probabilities)}
        return Batch(
            findings,
            len(findings) < len(texts),
            tokens_in=chosen.prompt_tokens,
            quantization=chosen.quantization,
            device=chosen.device,
        )

    def _user(self, text: str) -> str:
        return self._before + text.strip()

    def _finding(self, probabilities: Sequence[float]) -> Finding:
        if not probabilities:
            return Finding({}, NO_LABEL)
        score = max(probabilities)
        scores = {name: round(chance, 4) for name, chance in zip(self._labels, probabilities, strict=True)}
        label = self._labels[probabilities.index(score)]
        return Finding({LABEL: label, SCORE: round(score, 4), SCORES: scores})
