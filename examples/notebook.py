"""From SQL over your files to a pandas DataFrame with the right dtypes.

Run it cell by cell in an editor that knows `# %%`, or whole: `uv run python examples/notebook.py [DIR]`.
"""

# %% What turns an answer into a DataFrame
from __future__ import annotations

import re
import sys
from datetime import date, datetime, time
from decimal import Context, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pandas as pd
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parent / "data"

# An answer is JSON, which has neither dates nor decimals nor 64-bit integers; its columns say what the values are.
INTEGERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
SCALARS: dict[str, Callable[[Any], Any]] = {"DATE": date.fromisoformat, "TIME": time.fromisoformat, "DOUBLE": float}


def python_value(value: Any, kind: str) -> Any:
    """Turn one JSON value back into what it was, by its SQL type; lists, structs and maps all the way down."""
    if value is None:
        return None
    if kind.endswith("]"):
        return [python_value(item, kind[: kind.rindex("[")]) for item in value]
    name, _, inside = kind.partition("(")
    if name == "STRUCT":
        kinds = [re.match(r'"((?:[^"]|"")*)" (.+)|(\S+) (.+)', part, re.DOTALL) for part in split(inside[:-1])]
        fields = {(m[1] or m[3] or "").replace('""', '"'): m[2] or m[4] for m in kinds if m}
        return {key: python_value(item, fields[key]) for key, item in value.items()}
    if name == "MAP":
        keys, values = split(inside[:-1])
        return {python_value(key, keys): python_value(item, values) for key, item in value.items()}
    if name == "DECIMAL":
        scale = int(inside[:-1].split(",")[1])
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-scale), context=Context(prec=38))
    if INTEGERS.fullmatch(name):
        return int(value)
    if name.startswith("TIMESTAMP"):
        return datetime.fromisoformat(value)
    return SCALARS.get(name, lambda plain: plain)(value)


def split(inside: str) -> list[str]:
    """Split the inside of a nested type at its outermost commas: `a INTEGER, b STRUCT(c DATE, d DATE)`."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, mark in enumerate(inside):
        quoted ^= mark == '"'
        depth += 0 if quoted else (mark == "(") - (mark == ")")
        if mark == "," and depth == 0 and not quoted:
            parts.append(inside[start:place].strip())
            start = place + 1
    return [*parts, inside[start:].strip()]


def column(values: list[Any], kind: str) -> Any:
    """Make an array of the dtype that fits a SQL type; nulls stay null, NaN stays NaN, big integers stay exact."""
    missing = np.array([value is None for value in values], dtype=bool)
    if kind in {"FLOAT", "DOUBLE"}:
        filled = [0.0 if value is None else float(value) for value in values]
        return pd.arrays.FloatingArray(np.array(filled, dtype=np.float64), missing)
    if INTEGERS.fullmatch(kind):
        whole = [python_value(value, kind) for value in values]
        dtype = "UInt64" if kind[0] == "U" else "Int64"
        if all(value is None or -(2**63) <= value < 2**63 for value in whole) or "HUGE" not in kind:
            return pd.array(whole, dtype=dtype)  # sums are HUGEINT, however small
    if kind == "BOOLEAN":
        return pd.array(values, dtype="boolean")
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        try:
            moments = pd.to_datetime(pd.Series(values, dtype=object), utc="ZONE" in kind, format="ISO8601")
        except ValueError:  # infinity, or a year beyond what pandas can hold: as text
            return pd.array(values, dtype="str")
        return moments.array
    if kind == "VARCHAR":
        return pd.array(values, dtype="str")
    objects = np.empty(len(values), dtype=object)
    objects[:] = [python_value(value, kind) for value in values]
    return objects


async def frame(client: Client, sql: str, params: Any = None) -> pd.DataFrame:
    """Run a statement and return all rows of its result, page by page."""
    arguments: dict[str, Any] = {"sql": sql, "params": params, "max_rows": 10_000}
    rows: list[list[Any]] = []
    while True:
        result = await client.call_tool("query_tables", {key: v for key, v in arguments.items() if v is not None})
        answer: dict[str, Any] = result.structured_content or {}
        if result.is_error:
            raise RuntimeError(answer["error"]["message"])
        rows += answer["rows"]
        if not answer["truncated"]:
            break
        arguments["cursor"] = answer["next_cursor"]
    columns = answer["columns"]
    values = {place: column([row[place] for row in rows], c["type"]) for place, c in enumerate(columns)}
    return pd.DataFrame(values).set_axis([c["name"] for c in columns], axis=1)


# %% Small results come in the answer itself, large ones as a file
async def main(folder: Path) -> None:
    """Show a DataFrame from each way."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_server", "serve", str(folder), "--log-level", "warning"]
    )
    async with Client(server) as client:
        riders = await frame(
            client,
            "SELECT date, line, sum(boardings) AS boardings, avg(boardings)::DECIMAL(9, 2) AS mean,"
            " list(stop_no ORDER BY boardings DESC)[:3] AS busiest FROM trips"
            " WHERE date >= ? GROUP BY ALL ORDER BY ALL",
            ["2025-09-01"],
        )
        print(riders.dtypes, riders.head(), sep="\n\n")
        weekly = riders.groupby(["line", pd.Grouper(key="date", freq="W")])["boardings"].sum().unstack("line")
        print(f"\n{weekly}")

        result = await client.call_tool("query_tables", {"sql": "FROM trips", "save": "parquet", "max_rows": 1})
        saved = (result.structured_content or {})["saved"]
        trips = pd.read_parquet(saved["path"])
        print(f"\n{len(trips):,} rows from {saved['uri']}, {saved['size']:,} bytes of Parquet")


# %%
if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)
