"""The SQL that tools make for DuckDB: byte for byte what users have seen so far."""

from __future__ import annotations

import pytest

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.tables.duckdb_dialect import DUCKDB
from mcp_context_resources.tables.spec import Column, ColumnProfile, JoinPartner, Profile
from mcp_context_tools.prompts.exploration_sql import statements

PARTNER = JoinPartner("stop", "stops", "stop no", 9, 10, same_name=True, unique="there")
TRIPS = Profile(
    rows=1_000,
    columns=[
        ColumnProfile("date", "DATE", 0, 300, "2026-01-01", "2026-11-01"),
        ColumnProfile("select", "VARCHAR", 3, 8, frequent=(("a", 5),)),
        ColumnProfile("fare yen", "BIGINT", 2, 700, "0", "9"),
        ColumnProfile("stop", "VARCHAR", 0, 10),
    ],
    examples=[[None] * 4],
    partners=[PARTNER],
)


def test_the_statements_of_explore_table_are_these() -> None:
    made = statements("trips", TRIPS, (PARTNER, [Column("stop no", "VARCHAR"), Column("title", "VARCHAR")]), DUCKDB)
    assert [one.sql for one in made] == [
        (
            'SELECT "select", count(*) AS rows, round(sum("fare yen"), 2) AS "total_fare yen",'
            ' round(avg("fare yen"), 3) AS "average_fare yen" FROM trips GROUP BY ALL ORDER BY rows DESC, 1 LIMIT 10'
        ),
        (
            "SELECT date_trunc('month', date)::DATE AS month, count(*) AS rows,"
            ' round(sum("fare yen"), 2) AS "total_fare yen", round(avg("fare yen"), 3) AS "average_fare yen"'
            " FROM trips GROUP BY ALL ORDER BY month DESC LIMIT 24"
        ),
        (
            'SELECT o.title, count(*) AS rows, round(sum(t."fare yen"), 2) AS "total_fare yen",'
            ' round(avg(t."fare yen"), 3) AS "average_fare yen" FROM trips AS t JOIN stops AS o ON t.stop = o."stop no"'
            " GROUP BY ALL ORDER BY rows DESC, 1 LIMIT 10"
        ),
        (
            'SELECT min("fare yen") AS lowest, quantile_cont("fare yen", 0.25) AS quarter,'
            ' median("fare yen") AS median,'
            ' quantile_cont("fare yen", 0.75) AS three_quarters, max("fare yen") AS highest,'
            ' count(*) FILTER ("fare yen" < 0) AS below_zero,'
            ' count(*) FILTER ("fare yen" IS NULL) AS missing FROM trips'
        ),
        "SELECT *, count(*) AS times FROM trips GROUP BY ALL HAVING times > 1 ORDER BY times DESC LIMIT 3",
    ]


def test_names_are_quoted_where_they_must_be_and_texts_always() -> None:
    assert [DUCKDB.short_identifier(name) for name in ("fare", "運賃", "select", "2x", 'a"b')] == [
        "fare",
        "運賃",
        '"select"',
        '"2x"',
        '"a""b"',
    ]
    assert DUCKDB.contains('"c"', "50%'") == r"""\"c"::VARCHAR ILIKE '%50\%''%' ESCAPE '\'"""[1:]
    assert DUCKDB.all_columns_but('e"x') == '* EXCLUDE ("e""x")'
    assert DUCKDB.rows('"t"', where="a", order_by="b", limit=1, offset=2) == (
        'FROM "t" WHERE a ORDER BY b LIMIT 1 OFFSET 2'
    )


def test_values_are_written_as_literals_or_refused() -> None:
    assert DUCKDB.literal([None, True, -1, 0.5, float("inf"), "it's"]) == (
        "[NULL, TRUE, (-1), (0.5::DOUBLE), 'inf'::DOUBLE, 'it''s']"
    )
    for value in ("a\0b", "\ud800", {"a": 1}):
        with pytest.raises(InvalidInputError):
            DUCKDB.literal(value)
