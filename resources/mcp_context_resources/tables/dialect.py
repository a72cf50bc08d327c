"""SQL dialect: how an engine's SQL is written, so that who makes statements need not know which engine runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

TimeStep = Literal["hour", "day", "week", "month", "quarter", "year"]
"""A part of a date that times can be cut to."""


class Dialect(Protocol):
    """Writes names, literals, and the statements and expressions that differ from engine to engine.

    An `expression` is SQL, as is what the methods return. The rest that tools write is the same everywhere: `SELECT …
    FROM … WHERE`, `count(*)`, `count(DISTINCT …)`, `sum`, `avg`, `min`, `max`, `round`, `NULLS LAST`,
    `HAVING` with names of results, `LIMIT`.
    """

    @property
    def name(self) -> str:
        """What the SQL is called: `DuckDB SQL`."""

    def identifier(self, name: str) -> str:
        """Write a name in quotes."""

    def short_identifier(self, name: str) -> str:
        """Write a name, in quotes only where it must be."""

    def literal(self, value: object) -> str:
        """Write a value; raises `InvalidInputError` for one of a kind that the SQL has no literal for."""

    def rows(
        self, relation: str, *, limit: int | None = None, offset: int | None = None, where: str = "", order_by: str = ""
    ) -> str:
        """Write the statement for all columns of some rows of a relation."""

    def all_columns_but(self, column: str) -> str:
        """Write what selects all columns but the one of that name."""

    def group_by(self, keys: Sequence[str]) -> str:
        """Write the clause that groups by these selected expressions; none: by all selected columns."""

    def count_of(self, condition: str) -> str:
        """Write the aggregate that counts the rows for which a condition holds."""

    def contains(self, expression: str, text: str) -> str:
        """Write the condition that values, as text, hold a text in any case."""

    def matches(self, expression: str, pattern: str) -> str:
        """Write the condition that text matches a regular expression (RE2) somewhere."""

    def text(self, expression: str, most: int | None = None) -> str:
        """Write values as text, of each at most that many characters."""

    def number_of_text(self, expression: str) -> str:
        """Write text that says a number as a number; null for any other."""

    def cut_time(self, expression: str, step: TimeStep) -> str:
        """Write times as the beginning of their hour, day, month and so on."""

    def date(self, expression: str) -> str:
        """Write times as dates."""

    def median(self, expression: str) -> str:
        """Write the aggregate for the median."""

    def quantile(self, expression: str, share: float) -> str:
        """Write the aggregate for the value that a share of values is below, between values where need be."""

    def distinct_count(self, expression: str) -> str:
        """Write the aggregate for about how many values there are."""

    def frequent_values(self, expression: str, most: int) -> str:
        """Write the aggregate for a list of the commonest values, commonest first; a list may be the JSON of one."""

    def text_range(self, expression: str) -> str:
        """Write the aggregate for a list of the least and the greatest value as text."""
