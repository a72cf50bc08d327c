"""Names by which sources are called: short, readable, stable, unique.

A name is the file's own unless another file claims it too; then all of them are told apart by their folders. None
of them keeps the bare name, so a name never silently starts to mean another file.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# SQL words that can't stand unquoted as a table name in DuckDB (its "reserved" and "type_function" keywords).
SQL_RESERVED: Final = frozenset(
    "all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check"
    " collate collation column concurrently constraint create cross default deferrable desc describe distinct do"
    " else end except false fetch for foreign freeze from full glob grant group having ilike in initially inner"
    " intersect into is isnull join lambda lateral leading left like limit map natural not notnull null offset on"
    " only or order outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify references"
    " returning right select semi show similar some struct summarize symmetric table tablesample then to trailing"
    " true try_cast union unique unpack unpivot using variadic verbose when where window with".split()
)


Spot = tuple[str, str, str]
"""Where something with a name lies: root name, path relative to the root, table inside the file ("" for the whole)."""


def table_names(spots: Sequence[Spot], held: Mapping[str, Spot] | None = None) -> list[str]:
    """Name tables so that SQL needs no quotes: letters of any script, digits and underscores.

    The result has the order of `spots` and no two equal names, compared without case. `held` maps names (as
    `lookup_key`) to the spot that alone may bear them.
    """
    return _distinct([_table_candidates(*spot) for spot in spots], spots, held or {}, "{}_{}")


def folder_names(spots: Sequence[Spot], held: Mapping[str, Spot]) -> list[str]:
    """Name folders that are tables, as `table_names`; `held` must hold every table's name, for files go first."""
    return _distinct([_folder_candidates(root, relative) for root, relative, _ in spots], spots, held, "{}_{}")


def file_names(spots: Sequence[Spot], held: Mapping[str, Spot] | None = None) -> list[str]:
    """Name documents and models by file name, with as many folders as it takes to tell them apart."""
    return _distinct([_file_candidates(root, relative) for root, relative, _ in spots], spots, held or {}, "{} ({})")


def lookup_key(name: str) -> str:
    """Bring a name into the form in which names are compared: NFC, no case."""
    return unicodedata.normalize("NFC", name).casefold()


def _table_candidates(root: str, relative: str, part: str) -> list[str]:
    *folders, file = relative.split("/")
    stem, _, extension = file.removeprefix(".").partition(".")
    if "." in extension:  # only the last part, or two of `x.csv.gz`, is the format; the rest belongs to the name
        parts = file.split(".")
        kept = -2 if parts[-1].lower() in {"gz", "zst"} and len(parts) > 2 else -1
        stem, extension = ".".join(parts[:kept]), ".".join(parts[kept:])
    parents = [root, *folders]
    stem = f"{stem}_{part}" if part else stem
    ladder = ["_".join([*parents[len(parents) - depth :], stem]) for depth in range(len(parents) + 1)]
    ladder += [f"{stem}_{extension}", f"{ladder[-1]}_{extension}"]
    return list(dict.fromkeys(sql_identifier(step) for step in ladder))


def _folder_candidates(root: str, relative: str) -> list[str]:
    folders = [root, *(folder for folder in relative.split("/") if folder)]
    ladder = ["_".join(folders[len(folders) - depth :]) for depth in range(1, len(folders) + 1)]
    ladder += [f"{ladder[0]}_files", f"{ladder[-1]}_files"]
    return list(dict.fromkeys(sql_identifier(step) for step in ladder))


def _file_candidates(root: str, relative: str) -> list[str]:
    parts = [root, *relative.split("/")]
    return ["/".join(parts[len(parts) - depth :]) for depth in range(1, len(parts) + 1)]


def sql_identifier(text: str) -> str:
    """Make a name that SQL takes without quotes of any text: letters of any script, digits and underscores."""
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFC", text)).strip("_")
    name = re.sub(r"__+", "_", name) or "table"
    if name[0].isdigit():
        name = f"t_{name}"
    return f"{name}_" if name.lower() in SQL_RESERVED else name


def _distinct(
    ladders: Sequence[Sequence[str]],
    files: Sequence[Spot],
    held: Mapping[str, Spot],
    marked: str,
) -> list[str]:
    """Climb from short to long names until no two are equal; what even the longest don't tell apart is marked.

    A name in `held` is only for the file it is held for.
    """
    ladders = [
        [name for name in ladder if held.get(lookup_key(name), file) == file] or ladder[-1:]
        for ladder, file in zip(ladders, files, strict=True)
    ]
    rungs = [0] * len(ladders)
    climbing = True
    while climbing:
        climbing = False
        for group in _same([ladder[rung] for ladder, rung in zip(ladders, rungs, strict=True)]):
            for i in group:
                if rungs[i] + 1 < len(ladders[i]):
                    rungs[i] += 1
                    climbing = True
    names = [ladder[rung] for ladder, rung in zip(ladders, rungs, strict=True)]
    for length in range(4, 65):
        groups = _same(names)
        if not groups:
            break
        for i in (i for group in groups for i in group):
            # Made from the file's own path: a number would pass to another file when one comes or goes.
            mark = hashlib.sha256("\0".join((str(_occurrence(files, i)), *files[i])).encode()).hexdigest()
            names[i] = marked.format(ladders[i][0], mark[:length])
    return names


def _occurrence(files: Sequence[Spot], i: int) -> int:
    """Count how often the same root name and path came before: two roots may look alike."""
    return sum(1 for other in files[:i] if other == files[i])


def _same(names: Sequence[str]) -> list[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        groups[lookup_key(name)].append(i)
    return [group for group in groups.values() if len(group) > 1]
