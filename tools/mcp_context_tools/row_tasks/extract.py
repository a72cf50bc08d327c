"""`extract`: values of each row that follow a JSON schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.models.json_schema import validation_problem
from mcp_context_resources.models.spec import Generation
from mcp_context_resources.tables.model_tables.journal import Finding
from mcp_context_resources.tables.model_tables.spec import MapColumn
from mcp_context_tools.row_tasks.generate import count
from mcp_context_tools.row_tasks.schema_columns import schema_columns, unfit
from mcp_context_tools.row_tasks.task import Batch, Quotation
from mcp_context_tools.row_tasks.traced import not_in_text
from mcp_context_tools.row_tasks.wording import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.models.spec import Generated, Role
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_tools.row_tasks.wording import Wording

NOT_IN_TEXT: Final = "not_in_text"
_SHOWN_SCHEMA_CHARS: Final = 4_000
_PROBLEM_CHARS: Final = 200


class Extract:
    """Fills the properties of `schema` from each text, `parallel` texts at once; what fails is tried once more.

    `key` is the secret that the marks around texts are made of.
    Raises `InvalidInputError` for a schema that makes no columns.
    """

    name = "extract"
    role: Role = "chat"

    def __init__(
        self, schema: Mapping[str, Any], prompt: str, max_tokens: int, parallel: int, wording: Wording, *, key: bytes
    ) -> None:
        self._schema = dict(schema)
        self._max_tokens = max_tokens
        self._wording = wording
        self.batch, self.step = 2 * parallel, parallel
        self.settled: Mapping[str, Any] = {
            "task": self.name,
            "version": VERSION,
            "language": wording.language,
            "schema": self._schema,
            "prompt": prompt,
            "max_tokens": max_tokens,
        }
        columns = schema_columns(schema)
        taken = any(column.name == NOT_IN_TEXT for column in columns)
        self._traced = f"{NOT_IN_TEXT}_" if taken else NOT_IN_TEXT
        self.columns = (*columns, MapColumn(self._traced, "VARCHAR[]"))
        self._quotation = Quotation(str(self.settled), key)
        shown = json.dumps(self._schema, ensure_ascii=False, separators=(",", ":"))
        self._system = f"{wording.extract} {wording.data_only}"
        self._before = f"{prompt}\n\n" if prompt else ""
        if len(shown) <= _SHOWN_SCHEMA_CHARS:
            self._before += f"{wording.schema} {shown}\n\n"

    def frame(self) -> tuple[str, int]:
        """See `RowTask`."""
        return self._system + self._user("", "x" * _PROBLEM_CHARS), self._max_tokens

    async def work(
        self, models: Models, model: Choice, texts: Sequence[str], deadline: float, on_progress: Progress
    ) -> Batch:
        """See `RowTask`."""
        batch = Batch()
        again: dict[int, str] = {}
        made = await models.generate(
            model, [self._request(text) for text in texts], deadline=deadline, on_progress=on_progress
        )
        for place, answer in enumerate(made):
            if (problem := self._take(batch, place, texts[place], answer)) is not None:
                again[place] = problem
        if again and not batch.unfinished:
            requests = [self._request(texts[place], problem) for place, problem in again.items()]
            second = await models.generate(model, requests, deadline=deadline)
            for place, answer in zip(again, second, strict=True):
                if (problem := self._take(batch, place, texts[place], answer)) is not None:
                    batch.findings[place] = Finding({}, problem)
        return batch

    def _request(self, text: str, problem: str = "") -> Generation:
        return Generation(self._system, self._user(text, problem), self._max_tokens, json_schema=self._schema)

    def _user(self, text: str, problem: str) -> str:
        told = self._wording.extract_again.format(problem=problem[:_PROBLEM_CHARS]) + "\n\n" if problem else ""
        return f"{self._before}{told}{self._wording.text}\n{self._quotation.wrap(text)}"

    def _take(self, batch: Batch, place: int, text: str, answer: Generated) -> str | None:
        """Add an answer to a batch, or tell what is wrong with it."""
        count(batch, answer)
        if answer.finish in {"deadline", "cancelled"}:
            batch.unfinished = True
            return None
        if answer.finish == "length":
            return f"The JSON was not finished after {self._max_tokens:,} tokens."
        try:
            values = json.loads(answer.text)
        except ValueError:
            return "The answer is not JSON."
        problem = validation_problem(values, self._schema) or unfit(values, self.columns)
        if problem is not None:
            return problem[:_PROBLEM_CHARS]
        named = {column.name: values.get(column.name) for column in self.columns}
        missing = not_in_text(values, text, self._schema)
        batch.findings[place] = Finding(named | {self._traced: missing or None})
        return None
