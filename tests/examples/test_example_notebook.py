"""The notebook example: every type survives the trip from SQL to a DataFrame."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from examples import notebook
from tests.support.serving import connect

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

UTC = dt.UTC


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "dtype", "value"),
    [
        ("9007199254740993::BIGINT", "Int64", 9007199254740993),
        ("18446744073709551615::UBIGINT", "UInt64", 18446744073709551615),
        ("170141183460469231731687303715884105727::HUGEINT", "object", 170141183460469231731687303715884105727),
        ("12::HUGEINT", "Int64", 12),
        ("1.10::DECIMAL(10, 2)", "object", Decimal("1.1")),
        ("12345678901234567890.12::DECIMAL(22, 2)", "object", Decimal("12345678901234567890.12")),
        ("0.1::DOUBLE", "Float64", 0.1),
        ("'-inf'::DOUBLE", "Float64", -math.inf),
        ("true", "boolean", True),
        ("'日本'", "str", "日本"),
        ("DATE '2026-11-22'", "datetime64[us]", pd.Timestamp("2026-11-22")),
        ("TIMESTAMP '2026-11-22 01:02:03.000004'", "datetime64[us]", pd.Timestamp("2026-11-22 01:02:03.000004")),
        (
            "TIMESTAMPTZ '2026-11-22 01:02:03+00'",
            "datetime64[us, UTC]",
            pd.Timestamp("2026-11-22 01:02:03", tz="UTC"),
        ),
        ("'infinity'::DATE", "str", "infinity"),
        ("TIME '01:02:03'", "object", dt.time(1, 2, 3)),
        ("[DATE '2026-01-01', NULL]", "object", [dt.date(2026, 1, 1), None]),
        ("[9007199254740993::HUGEINT]", "object", [9007199254740993]),
        (
            "{'a b': 1.50::DECIMAL(4, 2), 'c': {'d': [TIMESTAMP '2026-01-01']}}",
            "object",
            {"a b": Decimal("1.5"), "c": {"d": [dt.datetime(2026, 1, 1)]}},  # noqa: DTZ001 - without a zone it is
        ),
        ("map {'k': DATE '2026-01-01'}", "object", {"k": dt.date(2026, 1, 1)}),
        ("map {7: 'x'}", "object", {7: "x"}),
    ],
)
async def test_a_value_of_each_type_arrives_as_it_was_beside_a_null(
    tmp_path: Path, cache: Path, sql: str, dtype: str, value: Any
) -> None:
    async with connect(tmp_path, cache=cache) as client:
        frame = await notebook.frame(client, f"SELECT {sql} AS v UNION ALL SELECT NULL")
    assert str(frame["v"].dtype) == dtype
    assert frame["v"].iloc[0] == value
    assert type(frame["v"].iloc[0]) is type(value) or dtype in {"Int64", "UInt64", "Float64", "boolean"}
    if isinstance(value, Decimal):
        assert str(frame["v"].iloc[0]) == str(sql.split("::", maxsplit=1)[0])
    assert frame["v"].isna().tolist() == [False, True]


async def test_nan_is_not_null(tmp_path: Path, cache: Path) -> None:
    async with connect(tmp_path, cache=cache) as client:
        frame = await notebook.frame(client, "SELECT unnest(['nan'::DOUBLE, NULL]) AS v")
    [nan, null] = frame["v"].array
    assert math.isnan(nan)
    assert null is pd.NA


async def test_all_pages_and_columns_of_one_name_arrive(tmp_path: Path, cache: Path) -> None:
    async with connect(tmp_path, cache=cache, budget={"max_chars": 5_000}) as client:
        frame = await notebook.frame(client, "SELECT i, i AS i FROM range(2000) t(i)")
    assert frame.iloc[:, 0].tolist() == list(range(2_000))
    assert frame.shape == (2_000, 2)


@pytest.mark.slow
def test_the_notebook_runs_as_it_stands() -> None:
    done = subprocess.run([sys.executable, notebook.__file__], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "4,941 rows from result://" in done.stdout
    assert "datetime64" in done.stdout
