"""The SQL gate: which statements may run, judged by the engine's own parse of them.

The parse tree is checked node by node against an allow-list. The engine then runs an admitted statement only as
`query($1)`, which itself refuses everything that is not one SELECT: two gates, neither of which reads text.
"""

from __future__ import annotations

import functools
import json
import math
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError, SqlRefusedError
from mcp_context_resources.tables.spec import Parameter, ParsedStatement
from mcp_context_resources.tables.sql_errors import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

    from mcp_context_resources.workers.job import Job

MAX_SQL_CHARS: Final = 100_000
_READING_NODES: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
# Functions that name tables in strings, so that the tree doesn't show which tables are read.
_INDIRECT: Final = frozenset(
    {"query", "query_table", "duckdb_tables", "duckdb_views", "duckdb_columns", "pragma_table_info"}
)
_CATALOGUES: Final = frozenset({"information_schema", "pg_catalog", "duckdb_tables", "duckdb_views", "duckdb_columns"})
_READ_ONLY: Final = (
    "Only one read-only query at a time is run: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE or SHOW."
)


def parse(_job: Job, sql: str) -> ParsedStatement:
    """Parse a statement in a worker and admit or refuse it.

    Raises `SqlError` with the position of a syntax error, `SqlRefusedError` for anything but one reading statement.
    """
    import duckdb

    try:
        return _admit(_parser().cursor(), sql)
    except duckdb.Error as error:
        raise explain(error, sql) from error


@functools.cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Return the connection that only parses: it knows no table and reaches no file."""
    import duckdb

    return duckdb.connect(config={"errors_as_json": True, "threads": 1, "enable_external_access": False})


def _admit(connection: duckdb.DuckDBPyConnection, sql: str) -> ParsedStatement:
    # extract_statements raises the parser's own error, with its position, for what isn't SQL at all.
    statements = connection.extract_statements(sql)
    if not statements:
        raise SqlRefusedError("The statement is empty.", "Write a SELECT.")
    if len(statements) > 1:
        raise SqlRefusedError(f"There are {len(statements)} statements.", _READ_ONLY)
    row = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if tree.get("error") or len(tree["statements"]) != 1:
        kind = str(statements[0].type).rpartition(".")[2].upper()
        raise SqlRefusedError(f"{kind} statements are not run here.", _READ_ONLY)
    return _inspect(tree["statements"][0])


def _inspect(tree: object) -> ParsedStatement:
    tables: dict[str, None] = {}
    every_table = False
    parameters: list[Parameter] = []
    for node in _nodes(tree):
        kind = node.get("type")
        if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _READING_NODES:
            action = kind.removesuffix("_QUERY_NODE").removesuffix("_NODE")
            raise SqlRefusedError(f"The statement contains {action}, which writes.", _READ_ONLY)
        if kind in {"BASE_TABLE", "SHOW_REF"} and node.get("table_name"):
            tables[str(node["table_name"]).strip('"')] = None
        if kind == "BASE_TABLE" and _is_about_tables(node):
            every_table = True
        if kind == "SHOW_REF" and node.get("show_type") not in {"SHOW", "DESCRIBE", "SUMMARY"}:
            every_table = True
        if node.get("function_name") in _INDIRECT:
            every_table = True
        if kind == "VALUE_PARAMETER":
            place = node["query_location"], node["query_location_length"]
            parameters.append(Parameter(*place, str(node["identifier"])))
    return ParsedStatement(tuple(tables), every_table, tuple(sorted(parameters, key=lambda p: p.offset)))


def _is_about_tables(node: dict[str, Any]) -> bool:
    """Tell whether a table reference means the engine's own catalogue, which lists every table."""
    path = node.get("qualified_name", {}).get("path", [])
    return any(str(part).strip('"').lower() in _CATALOGUES for part in path)


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def bind(sql: str, parameters: Sequence[Parameter], values: Sequence[Any] | Mapping[str, Any] | None) -> str:
    """Put values in the place of placeholders, as literals, at the positions the parser gave.

    A list fills `?` and `$1`, an object fills `$name`. The result passes the gate again like any other statement.

    Raises `InvalidInputError` when values are missing, left over or of a kind that has no SQL literal.
    """
    given = _by_identifier(values)
    wanted = {parameter.identifier for parameter in parameters}
    if missing := sorted(wanted - given.keys()):
        raise InvalidInputError(
            f"The statement has no value for parameter {', '.join('$' + name for name in missing)}.",
            "Give params as a list for ? and $1, or as an object for $name.",
        )
    if extra := sorted(given.keys() - wanted):
        raise InvalidInputError(
            f"params holds values the statement doesn't use: {', '.join(extra)}.", "Remove them or use ? placeholders."
        )
    text = sql.encode()
    for parameter in reversed(parameters):
        end = parameter.offset + parameter.length
        text = text[: parameter.offset] + _literal(given[parameter.identifier]).encode() + text[end:]
    return text.decode()


def _by_identifier(values: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
    if values is None:
        return {}
    if isinstance(values, dict):
        return {str(name).removeprefix("$"): value for name, value in values.items()}
    return {str(position): value for position, value in enumerate(values, start=1)}


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"({value})"
    if isinstance(value, float):
        return f"({value!r}::DOUBLE)" if not math.isnan(value) and abs(value) != float("inf") else f"'{value}'::DOUBLE"
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInputError("A parameter holds a NUL character.", "Remove it.")
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    raise InvalidInputError(
        f"A parameter of type {type(value).__name__} has no SQL literal.",
        "Use strings, numbers, booleans, null or lists.",
    )
