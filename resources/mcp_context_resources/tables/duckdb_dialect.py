"""DuckDB dialect: how DuckDB's SQL is written (see `Dialect`)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.tables.dialect import Dialect
from mcp_context_resources.tables.quoting import identifier, quoted
from mcp_context_resources.workspace.names import SQL_RESERVED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.dialect import TimeStep

_PLAIN: Final = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class DuckDbDialect(Dialect):
    """Writes SQL for DuckDB."""

    name: str = "DuckDB SQL"

    @override
    def identifier(self, name: str) -> str:
        return identifier(name)

    @override
    def short_identifier(self, name: str) -> str:
        return name if _PLAIN.fullmatch(name) and name.lower() not in SQL_RESERVED else identifier(name)

    def literal(self, value: object) -> str:
        """See `Dialect`. Numbers, text, booleans, nulls and lists of these have literals."""
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, int):
            return f"({value})"
        if isinstance(value, float):
            is_number = not math.isnan(value) and abs(value) != float("inf")
            return f"({value!r}::DOUBLE)" if is_number else f"'{value}'::DOUBLE"
        if isinstance(value, str):
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise InvalidInputError("A parameter holds a character that text can't have.", "Remove it.")
            return quoted(value)
        if isinstance(value, list):
            return "[" + ", ".join(self.literal(item) for item in value) + "]"
        raise InvalidInputError(
            f"A parameter of type {type(value).__name__} has no SQL literal.",
            "Use strings, numbers, booleans, null or lists.",
        )

    @override
    def rows(
        self, relation: str, *, limit: int | None = None, offset: int | None = None, where: str = "", order_by: str = ""
    ) -> str:
        condition = f" WHERE {where}" if where else ""
        order = f" ORDER BY {order_by}" if order_by else ""
        most = "" if limit is None else f" LIMIT {limit}"
        skip = "" if offset is None else f" OFFSET {offset}"
        return f"FROM {relation}{condition}{order}{most}{skip}"

    @override
    def all_columns_but(self, column: str) -> str:
        return f"* EXCLUDE ({identifier(column)})"

    @override
    def group_by(self, keys: Sequence[str]) -> str:
        del keys
        return "GROUP BY ALL"

    @override
    def count_of(self, condition: str) -> str:
        return f"count(*) FILTER ({condition})"

    @override
    def contains(self, expression: str, text: str) -> str:
        pattern = quoted("%" + re.sub(r"([\\%_])", r"\\\1", text) + "%")
        escape = r" ESCAPE '\'" if "\\" in pattern else ""
        return f"{self.text(expression)} ILIKE {pattern}{escape}"

    @override
    def matches(self, expression: str, pattern: str) -> str:
        return f"regexp_matches({expression}, {quoted(pattern)})"

    @override
    def text(self, expression: str, most: int | None = None) -> str:
        return f"{expression}::VARCHAR" if most is None else f"left({expression}::VARCHAR, {most})"

    @override
    def number_of_text(self, expression: str) -> str:
        return f"try_cast(trim({expression}) AS DOUBLE)"

    @override
    def cut_time(self, expression: str, step: TimeStep) -> str:
        return f"date_trunc('{step}', {expression})"

    @override
    def date(self, expression: str) -> str:
        return f"{expression}::DATE"

    @override
    def median(self, expression: str) -> str:
        return f"median({expression})"

    @override
    def quantile(self, expression: str, share: float) -> str:
        return f"quantile_cont({expression}, {share:g})"

    @override
    def distinct_count(self, expression: str) -> str:
        return f"approx_count_distinct({expression})"

    @override
    def frequent_values(self, expression: str, most: int) -> str:
        return f"approx_top_k({expression}, {most})"

    @override
    def text_range(self, expression: str) -> str:
        return f"[{self.text(f'min({expression})')}, {self.text(f'max({expression})')}]"


DUCKDB: Final = DuckDbDialect()
"""The dialect of the local engine."""
