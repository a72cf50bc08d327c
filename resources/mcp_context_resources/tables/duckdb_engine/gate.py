"""The SQL gate: which statements may run, judged by the engine's own parse of them.

The parse tree is checked node by node against an allow-list. The engine then runs an admitted statement only as
`query($1)`, which itself refuses everything that is not one SELECT: two gates, neither of which reads text.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import SqlRefusedError
from mcp_context_resources.tables.duckdb_engine import pivot
from mcp_context_resources.tables.duckdb_engine.embed_function import embedded
from mcp_context_resources.tables.duckdb_engine.sql_errors import explain
from mcp_context_resources.tables.duckdb_engine.tokens import Token, tokens_of
from mcp_context_resources.tables.spec import Parameter, ParsedStatement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

    from mcp_context_resources.workers.job import Job

_READING_NODES: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
# Functions that name tables in strings, so that the tree doesn't show which are read, and the engine's catalogue.
_ABOUT_TABLES: Final = frozenset(
    "query query_table information_schema pg_catalog duckdb_tables duckdb_columns pragma_table_info".split()
)
PRIVATE: Final = frozenset(
    "current_setting duckdb_settings duckdb_secrets duckdb_databases duckdb_temporary_files duckdb_views"
    " which_secret duckdb_logs duckdb_log_contexts pg_views pg_settings sqlite_master sqlite_schema"
    " pragma_database_list pragma_database_size show_databases".split()
)
"""Functions and views of the engine that would tell settings, paths on this machine or secrets."""

# Table functions whose first argument is the name of a table.
_TAKE_A_TABLE: Final = frozenset({"histogram", "histogram_values"})
_READ_ONLY: Final = (
    "Only one read-only query at a time is run: SELECT, FROM, WITH, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN."
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
    import duckdb

    # extract_statements raises the parser's own error, with its position, for what isn't SQL at all.
    try:
        statements = connection.extract_statements(sql)
    except duckdb.ParserException as error:
        # A PIVOT that looks at the data first takes no parameters; with places for its values it does.
        if "PIVOT statements" not in str(error) or (placed := pivot.with_places(sql)) == sql:
            raise
        return dataclasses.replace(_admit(connection, placed), pivots=True)
    if not statements:
        raise SqlRefusedError("The statement is empty.", "Write a SELECT.")
    if len(statements) > 1:
        raise SqlRefusedError(f"There are {len(statements)} statements.", _READ_ONLY)
    kind = _kind(statements[0])
    if kind in {"EXPLAIN", "MULTI"} and tokens_of(sql.encode())[0].text == "EXPLAIN":
        explain, query = _explained(sql)
        return dataclasses.replace(_admit(connection, query), explain=explain)
    if kind == "MULTI" and (placed := pivot.with_places(sql)) != sql:
        # The engine's parser makes several statements of a PIVOT that must look at the data first.
        return dataclasses.replace(_admit(connection, placed), pivots=True)
    row = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchone()
    try:
        tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    except RecursionError as error:
        raise SqlRefusedError("The statement is nested too deeply.", "Flatten it.") from error
    if tree.get("error") or len(tree["statements"]) != 1:
        raise SqlRefusedError(f"{kind} statements are not run here.", _READ_ONLY)
    return _inspect(sql, tree["statements"][0], lambda inner: _admit(connection, inner))


def admit_again(sql: str) -> None:
    """Judge a statement that was admitted and then written differently; raises `SqlRefusedError`."""
    if (admitted := _admit(_parser().cursor(), sql)).pivots or admitted.explain:
        raise SqlRefusedError("The statement can't be written as one query.", _READ_ONLY)


def _explained(sql: str) -> tuple[str, str]:
    """Split an EXPLAIN into the kind of explanation, with ANALYZE or without, and the statement explained."""
    text = sql.encode()
    words = [*tokens_of(text)[:3], Token(len(text), len(text), "", 0)]
    analyze = words[1].text in {"ANALYZE", "ANALYSE"}
    first = words[2 if analyze else 1]
    if first.text == "(":
        raise SqlRefusedError("EXPLAIN takes no options here.", "Write EXPLAIN SELECT … or EXPLAIN ANALYZE SELECT ….")
    return "EXPLAIN ANALYZE" if analyze else "EXPLAIN", text[first.start :].decode()


def _kind(statement: duckdb.Statement) -> str:
    try:
        return str(statement.type).rpartition(".")[2].upper()
    except ValueError:  # a kind that the Python side of the engine doesn't know
        return "Such"


def _inspect(sql: str, tree: object, admit: Callable[[str], ParsedStatement]) -> ParsedStatement:
    tables: dict[str, None] = {}
    every_table = False
    parameters: list[Parameter] = []
    embeds: dict[tuple[str, str], None] = {}
    for node, hidden in _nodes(tree):
        kind = node.get("type")
        if not isinstance(kind, str):
            continue
        if kind.endswith("_NODE") and kind not in _READING_NODES:
            action = kind.removesuffix("_QUERY_NODE").removesuffix("_NODE")
            raise SqlRefusedError(f"The statement contains {action}, which writes.", _READ_ONLY)
        names = _names_in(node)
        if "query" in names and kind == "FUNCTION":
            inner = admit(_constant_argument(node))
            tables |= dict.fromkeys(inner.tables)
            embeds |= dict.fromkeys(inner.embeds)
        if kind == "FUNCTION" and (embeds_what := embedded(node)) is not None:
            embeds[embeds_what] = None
        if kind == "TABLE_FUNCTION" and (named := _table_argument(node)):
            tables[named] = None
        if names & PRIVATE or {"information_schema", "views"} <= names:
            raise SqlRefusedError("The statement asks for the engine's own settings.", "Ask for tables and columns.")
        if kind in {"BASE_TABLE", "SHOW_REF"} and (name := _table_named_by(node, hidden)):
            tables[name] = None
        every_table = every_table or bool(names & _ABOUT_TABLES) or _shows_all(node)
        if kind == "VALUE_PARAMETER":
            place = node["query_location"], node["query_location_length"]
            parameters.append(Parameter(*place, str(node["identifier"])))
    places = tuple(sorted(parameters, key=lambda p: p.offset))
    return ParsedStatement(sql, tuple(tables), every_table, places, embeds=tuple(embeds))


def _constant_argument(node: dict[str, Any]) -> str:
    """Return the statement given to `query`, which must be written out so that it can be judged."""
    arguments = node.get("arguments") or [{}]
    literal = arguments[0].get("expression", {}).get("literal", {})
    if literal.get("kind") != "STRING":
        raise SqlRefusedError("query() needs its statement as a plain string.", "Write the statement itself instead.")
    return str(literal["text"])


def _table_argument(node: dict[str, Any]) -> str:
    """Return the table that a function such as `histogram` is given by name; an empty name for other functions."""
    function = node.get("function") or {}
    if str(function.get("function_name", "")).lower() not in _TAKE_A_TABLE:
        return ""
    first = (function.get("arguments") or [{}])[0].get("expression") or {}
    literal = first.get("literal") or {}
    return str((first.get("column_names") or [literal.get("text", "")])[-1])


def _names_in(node: dict[str, Any]) -> set[str]:
    """Return the parts of a node's qualified name and its function name, without quotes and case."""
    path = node["qualified_name"].get("path", []) if isinstance(node.get("qualified_name"), dict) else []
    parts = [*path, node.get("function_name", "")]
    return {str(part).strip('"').lower() for part in parts if part}


def _table_named_by(node: dict[str, Any], hidden: frozenset[str]) -> str:
    """Return the table a node reads; an empty name when it means a common table expression."""
    name = str(node.get("table_name") or "").strip('"')
    qualified = len(node.get("qualified_name", {}).get("path", [])) > 1
    return "" if not qualified and name.lower() in hidden else name


def _shows_all(node: dict[str, Any]) -> bool:
    return node["type"] == "SHOW_REF" and node.get("show_type") not in {"SHOW", "DESCRIBE", "SUMMARY"}


def _nodes(tree: object) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Yield every node of a parse tree with the names of the common table expressions that are in scope there."""
    stack: list[tuple[object, frozenset[str]]] = [(tree, frozenset())]
    while stack:
        node, scope = stack.pop()
        if isinstance(node, list):
            stack.extend((item, scope) for item in node)
        elif isinstance(node, dict):
            for entry in _common_table_expressions(node):
                name = str(entry["key"]).lower()
                recursive = entry["value"].get("query_node", {}).get("type") == "RECURSIVE_CTE_NODE"
                stack.append((entry["value"], scope | {name} if recursive else scope))
                scope |= {name}
            yield node, scope
            stack.extend((value, scope) for key, value in node.items() if key != "cte_map")


def _common_table_expressions(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = node.get("cte_map")
    entries = found.get("map", []) if isinstance(found, dict) else []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("value"), dict)]
