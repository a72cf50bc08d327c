"""Folder tables: folders that are one table, each row with the file or the partition that it is from."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.tables.duckdb_engine.relations import Relation
from mcp_context_resources.tables.quoting import exact_path, identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from mcp_context_resources.tables.spec import TableSpec

_FILE_COLUMNS: Final = ("filename", "source_file", "source_file_name")
_NOTED_FILES: Final = 5


def folder_relation(
    table: TableSpec, connection: duckdb.DuckDBPyConnection, relation_of: Callable[[TableSpec], Relation]
) -> Relation:
    """Return how the files of a folder are read as one table; columns are matched by name, types widened.

    A folder partitioned by names such as `year=2026` has a column for each key, another one the name of the file.
    """
    if table.format == "parquet":
        return _parquet(table, connection)
    relations = [(member, relation_of(member)) for member in table.members]
    column = "" if table.partitioned else _file_column(connection, relations[0][1].sql)
    together: dict[str, list[str]] = defaultdict(list)
    branches: list[str] = []
    for member, relation in relations:
        if relation.options and relation.paths == (member.path,):
            together[relation.options].append(member.path)
        else:  # read from a copy, whose path tells nothing
            branches.append(f"SELECT *{_literals(member, column, partitioned=table.partitioned)} FROM {relation.sql}")
    for options, paths in together.items():
        listed = f"read_{table.format}([{_listed(paths)}], {options}, "
        if table.partitioned:
            branches.append(f"FROM {listed}hive_partitioning=true)")
        else:
            name = identifier(column)
            branches.append(
                f"SELECT * REPLACE (parse_filename({name}) AS {name}) FROM {listed}filename={quoted(column)})"
            )
    return Relation(
        f"({' UNION ALL BY NAME '.join(branches)})",
        tuple(path for _, relation in relations for path in relation.paths),
        notes=(_note(table, column), *dict.fromkeys(note for _, relation in relations for note in relation.notes)),
        sampled=any(relation.sampled for _, relation in relations),
    )


def _parquet(table: TableSpec, connection: duckdb.DuckDBPyConnection) -> Relation:
    paths = tuple(member.path for member in table.members)
    listed = f"read_parquet([{_listed(paths)}], union_by_name=true, "
    if table.partitioned:
        return Relation(f"{listed}hive_partitioning=true)", paths, notes=(_note(table, ""),))
    column = _file_column(connection, f"read_parquet({_listed(paths[:1])})")
    name = identifier(column)
    sql = f"(SELECT * REPLACE (parse_filename({name}) AS {name}) FROM {listed}filename={quoted(column)}))"
    return Relation(sql, paths, notes=(_note(table, column),))


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(quoted(exact_path(path)) for path in paths)


def _file_column(connection: duckdb.DuckDBPyConnection, relation: str) -> str:
    """Name the column for the file's name so that no column of the files is called the same."""
    columns = {name.lower() for name, *_ in connection.execute(f"DESCRIBE FROM {relation}").fetchall()}
    return next(name for name in _FILE_COLUMNS if name not in columns)


def _literals(member: TableSpec, column: str, *, partitioned: bool) -> str:
    if not partitioned:
        return f", {quoted(Path(member.path).name)} AS {identifier(column)}"
    keys = [folder.partition("=") for folder in Path(member.path).parts[:-1] if "=" in folder]
    return "".join(f", {_partition_value(value)} AS {identifier(key)}" for key, _, value in keys)


def _partition_value(text: str) -> str:
    return text if text.isdecimal() and text.isascii() and (text == "0" or text[0] != "0") else quoted(text)


def _note(table: TableSpec, column: str) -> str:
    names = [Path(member.path).name for member in table.members]
    shown = first_names(names, _NOTED_FILES)
    if table.partitioned:
        return f"{len(names)} files in folders named by partition."
    return f"{len(names)} files of a folder ({shown}); the column {column} tells each row's file."
