"""Names by which sources are called: short, readable, stable, unique.

A name is the file's own unless another file claims it too; then all of them are told apart by their folders. None
of them keeps the bare name, so a name never silently starts to mean another file.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# SQL words that can't stand unquoted as a table name in DuckDB (its "reserved" and "type_function" keywords).
SQL_RESERVED: Final = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "anti",
        "any",
        "array",
        "as",
        "asc",
        "asof",
        "asymmetric",
        "authorization",
        "binary",
        "both",
        "by",
        "case",
        "cast",
        "check",
        "collate",
        "collation",
        "column",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "default",
        "deferrable",
        "desc",
        "describe",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "glob",
        "grant",
        "group",
        "having",
        "ilike",
        "in",
        "initially",
        "inner",
        "intersect",
        "into",
        "is",
        "isnull",
        "join",
        "lambda",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "map",
        "natural",
        "not",
        "notnull",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "overlaps",
        "pivot",
        "pivot_longer",
        "pivot_wider",
        "placing",
        "positional",
        "primary",
        "qualify",
        "references",
        "returning",
        "right",
        "select",
        "semi",
        "show",
        "similar",
        "some",
        "struct",
        "summarize",
        "symmetric",
        "table",
        "tablesample",
        "then",
        "to",
        "trailing",
        "true",
        "try_cast",
        "union",
        "unique",
        "unpivot",
        "using",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
    ]
)


def table_names(files: Sequence[tuple[str, str]]) -> list[str]:
    """Name tables so that SQL needs no quotes: letters of any script, digits and underscores.

    `files` are (root name, path relative to the root). The result has their order and no two equal names, compared
    without case.
    """
    return _distinct([_table_candidates(root, relative) for root, relative in files])


def file_names(files: Sequence[tuple[str, str]]) -> list[str]:
    """Name documents and models by file name, with as many folders as it takes to tell them apart."""
    return _distinct([_file_candidates(root, relative) for root, relative in files])


def lookup_key(name: str) -> str:
    """Bring a name into the form in which names are compared: NFC, no case."""
    return unicodedata.normalize("NFC", name).casefold()


def _table_candidates(root: str, relative: str) -> list[str]:
    *folders, file = relative.split("/")
    stem, _, extension = file.partition(".")
    if not stem:
        stem, extension = extension, ""
    elif "." in extension:  # only the last part, or two of `x.csv.gz`, is the format; the rest belongs to the name
        parts = file.split(".")
        kept = -2 if parts[-1].lower() in {"gz", "zst"} and len(parts) > 2 else -1
        stem, extension = ".".join(parts[:kept]), ".".join(parts[kept:])
    parents = [root, *folders]
    ladder = ["_".join([*parents[len(parents) - depth :], stem]) for depth in range(len(parents) + 1)]
    ladder += [f"{stem}_{extension}", f"{ladder[-1]}_{extension}"]
    return [_identifier(step) for step in ladder]


def _file_candidates(root: str, relative: str) -> list[str]:
    parts = [root, *relative.split("/")]
    return ["/".join(parts[len(parts) - depth :]) for depth in range(1, len(parts) + 1)]


def _identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFC", text)).strip("_")
    name = re.sub(r"__+", "_", name) or "table"
    if name[0].isdigit():
        name = f"t_{name}"
    return f"{name}_" if name.lower() in SQL_RESERVED else name


def _distinct(candidates: Sequence[Sequence[str]]) -> list[str]:
    rungs = [0] * len(candidates)
    climbing = True
    while climbing:
        climbing = False
        for group in _same([candidates[i][rungs[i]] for i in range(len(candidates))]):
            for i in group:
                if rungs[i] + 1 < len(candidates[i]):
                    rungs[i] += 1
                    climbing = True
    return _numbered([candidates[i][rungs[i]] for i in range(len(candidates))], lambda name, n: f"{name}_{n}")


def _same(names: Sequence[str]) -> list[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        groups[lookup_key(name)].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _numbered(names: list[str], make: Callable[[str, int], str]) -> list[str]:
    """Add a number to names that nothing else tells apart; a number that makes another's name is passed over."""
    taken = {lookup_key(name) for name in names}
    for group in _same(names):
        number = 1
        for i in group[1:]:
            number += 1
            while lookup_key(make(names[i], number)) in taken:
                number += 1
            names[i] = make(names[i], number)
            taken.add(lookup_key(names[i]))
    return names
