"""`extract`: values of each row that follow a JSON schema, and whether they occur in its text."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from mcp_context_resources.models.json_schema import validation_problem
from mcp_context_resources.models.spec import Generation
from mcp_context_resources.tables.model_tables.journal import Finding
from mcp_context_resources.tables.model_tables.spec import MapColumn
from mcp_context_tools.row_tasks.generate import count
from mcp_context_tools.row_tasks.schema_columns import schema_columns, unfit
from mcp_context_tools.row_tasks.task import Batch, Quotation, RowTask
from mcp_context_tools.row_tasks.wording import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.models.spec import Generated, Role
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_tools.row_tasks.wording import RowWording

_SPACE: Final = re.compile(r"\s+")
_THOUSANDS: Final = re.compile(r"(?<=\d)[,'\u00a0\u202f ](?=\d{3}(?!\d))")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_DIGITS: Final = {digit: value for value, digit in enumerate("〇一二三四五六七八九")} | {"零": 0}
_UNITS: Final = {"十": 10, "百": 100, "千": 1000}
_MYRIADS: Final = {"万": 10**4, "億": 10**8, "兆": 10**12}
_JAPANESE: Final = "".join((*_DIGITS, *_UNITS, *_MYRIADS))
_JAPANESE_RUN: Final = re.compile(rf"[\d.{_JAPANESE}]+")
_JAPANESE_PART: Final = re.compile(rf"\d+(?:\.\d+)?|[{_JAPANESE}]")


def not_in_text(values: Mapping[str, Any], text: str, schema: Mapping[str, Any]) -> list[str]:
    """Name the properties with a string or number that the text doesn't have; those chosen from a list are left out.

    Width, case, white space and marks between thousands make no difference; numbers may be written in Japanese.
    """
    plain = _plain(text)
    even = _THOUSANDS.sub("", plain)
    numbers = {float(found) for found in _NUMBER.findall(even)}
    numbers |= {_japanese_number(run) for run in _JAPANESE_RUN.findall(even) if not run.isascii()}
    bare = _SPACE.sub("", plain)
    properties = schema.get("properties", {})
    return [
        name
        for name, value in values.items()
        if not all(_occurs(leaf, bare, numbers) for leaf in _leaves(value, [properties.get(name)]))
    ]


def _occurs(leaf: str | float, bare: str, numbers: set[float]) -> bool:
    if isinstance(leaf, str):
        return _SPACE.sub("", _plain(leaf)) in bare
    return abs(leaf) in numbers


def _japanese_number(run: str) -> float:
    """Return the number that digits with 十百千万億兆 stand for: 3万2千, 二十三, 1.5億, 二〇二六."""
    total = section = 0.0
    current: float | None = None
    for part in _JAPANESE_PART.findall(run):
        if part in _DIGITS:
            current = (current or 0.0) * 10 + _DIGITS[part]
        elif part in _UNITS:
            section += (1.0 if current is None else current) * _UNITS[part]
            current = None
        elif part in _MYRIADS:
            total += (section + (current or 0.0) or 1.0) * _MYRIADS[part]
            section, current = 0.0, None
        else:
            current = float(part)
    return round(total + section + (current or 0.0), 6)  # 1.1 × 10⁸ is a little more in binary


def _leaves(value: Any, parts: Sequence[Any]) -> Iterator[str | float]:
    """Yield the strings and numbers in a value but those that one of these parts of the schema lets choose."""
    parts = list(_alternatives(parts))
    if any(_is_chosen(part, value) for part in parts):
        return
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, [part.get("properties", {}).get(name) for part in parts])
    elif isinstance(value, list):
        items = [part.get("items") for part in parts]
        for place, item in enumerate(value):
            first = [part["prefixItems"][place] for part in parts if place < len(part.get("prefixItems", ()))]
            yield from _leaves(item, first or items)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value


def _alternatives(parts: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, dict):
            yield part
            for key in ("anyOf", "oneOf", "allOf"):
                yield from _alternatives(part.get(key, ()))


def _is_chosen(part: Mapping[str, Any], value: Any) -> bool:
    return value in part.get("enum", ()) or ("const" in part and part["const"] == value)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


NOT_IN_TEXT: Final = "not_in_text"
_SHOWN_SCHEMA_CHARS: Final = 4_000
_PROBLEM_CHARS: Final = 200


class Extract(RowTask):
    """Fills the properties of `schema` from each text, `parallel` texts at once; what fails is tried once more.

    `key` is the secret that the marks around texts are made of.
    Raises `InvalidInputError` for a schema that makes no columns.
    """

    name = "extract"
    role: Role = "chat"

    def __init__(
        self, schema: Mapping[str, Any], prompt: str, max_tokens: int, parallel: int, wording: RowWording, *, key: bytes
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

    @override
    def frame(self) -> tuple[str, int]:
        return self._system + self._user("", "x" * _PROBLEM_CHARS), self._max_tokens

    @override
    async def work(
        self, models: Models, model: Choice, texts: Sequence[str], deadline: float, on_progress: Progress
    ) -> Batch:
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
