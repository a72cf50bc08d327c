"""Which legitimate statements a server answers and which attacks it refuses, counted over the lists of the tests.

Every statement is given in folders made for it. The rival, which has no notion of served folders, is not given what
would reach beyond those folders, into the network, or into its own pipe.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from bench.measure import OURS, BenchError, Row
from bench.table_rivals import motherduck, our_server
from tests.support.files import folder_bytes
from tests.support.sql_statements import REACHING, READING, WRITING, Place

if TYPE_CHECKING:
    from bench.table_rivals import RunningServer, TableServer

_SECRET: Final = "TOPSECRET"
_SPILL: Final = "spill"
_MOST_CRASHES: Final = 10
_QUOTED_PATH: Final = re.compile(r"""['"](/[^'"]*)""")
_NOT_GIVEN: Final = re.compile(
    r"://|\b(install|load|s3|sqlite_scan|postgres_scan|read_xlsx|load_aws\w*)\b", re.IGNORECASE
)
_VIEWS: Final = {
    "sales": "read_csv('{root}/sales.csv')",
    "managers": "read_csv('{root}/managers.csv')",
    "prices": "read_csv('{root}/prices.csv')",
    "売上": "read_csv('{root}/売上.csv')",
    "events": "read_json('{root}/events.jsonl')",
}
_ATTACKS: Final = {"writing": WRITING, "reaching": REACHING}
# What undoes a statement that got through, so that the next one meets the same tables.
_UNDOING: Final = ("USE memory", "DROP TABLE IF EXISTS t", "DROP VIEW IF EXISTS v", "DETACH DATABASE IF EXISTS x")


def _by_kind() -> dict[str, set[str]]:
    return {kind: set() for kind in _ATTACKS}


@dataclass(slots=True)
class _Counts:
    """How one server took the statements it was given."""

    answered: int = 0
    given: dict[str, set[str]] = field(default_factory=_by_kind)
    refused: dict[str, set[str]] = field(default_factory=_by_kind)
    changed_files: int = 0
    told_secrets: int = 0
    without_rows: int = 0
    crashed: int = 0
    unanswered: list[str] = field(default_factory=list)


async def safety_rows(scratch: Path, rival: TableServer | None) -> tuple[list[Row], tuple[str, ...]]:
    """Count for both servers; each works in a folder of its own."""
    mine, theirs = _Counts(), None if rival is None else _Counts()
    async with anyio.create_task_group() as group:
        group.start_soon(_ours, scratch / "safety-ours", mine)
        if theirs is not None:
            group.start_soon(_theirs, scratch / "safety-theirs", theirs)
    rows = [_row("legitimate statements answered", mine.answered, "all that there are", len(READING))]
    for kind, statements in _ATTACKS.items():
        rows.append(_row(f"attacks refused, {kind}", len(mine.refused[kind]), "all that there are", len(statements)))
    if theirs is not None and rival is not None:
        rows.append(_row("legitimate statements answered", mine.answered, rival.name, theirs.answered))
        for kind in _ATTACKS:
            both = len(mine.refused[kind] & theirs.given[kind])
            figure = f"attacks refused, {kind}, of the {len(theirs.given[kind])} given to both"
            rows.append(_row(figure, both, rival.name, len(theirs.refused[kind])))
    notes = [_told(OURS, mine)]
    if theirs is not None and rival is not None:
        notes.append(_told(rival.name, theirs))
    return rows, tuple(notes)


def _row(figure: str, mine: int, name: str, others: int) -> Row:
    return Row(figure, "statements", (mine,), name, (others,))


def _told(name: str, counts: _Counts) -> str:
    refused = {kind: len(statements) for kind, statements in counts.refused.items()}
    through = {kind: len(statements) - refused[kind] for kind, statements in counts.given.items()}
    left_out = {kind: len(statements) - len(counts.given[kind]) for kind, statements in _ATTACKS.items()}
    text = (
        f"{name}: legitimate {counts.answered} answered, {len(READING) - counts.answered} refused;"
        f" writing attacks {refused['writing']} refused, {through['writing']} let through"
        f" ({counts.changed_files} changed files); reaching attacks {refused['reaching']} refused,"
        f" {through['reaching']} let through ({counts.told_secrets} told the secret, {counts.without_rows} gave no row)"
    )
    if any(left_out.values()):
        text += f"; not given: {left_out['writing']} writing, {left_out['reaching']} reaching"
    if counts.crashed:
        text += f"; the server crashed {counts.crashed} times"
    if counts.unanswered:
        text += f"; not answered: {' | '.join(sql[:60] for sql in counts.unanswered[:5])}"
    return f"{text}."


async def _ours(folder: Path, counts: _Counts) -> None:
    place = _place(folder)
    async with our_server(place.root, scratch=place.base).running(folder) as server:
        await server.query("FROM 売上, sales LIMIT 1")
        spill = next(iter(sorted(str(path) for path in (place.cache / _SPILL).glob("*"))), str(place.cache / _SPILL))
        for sql, _ in READING:
            await _legitimate(server, sql, counts)
        for kind, statements in _ATTACKS.items():
            for sql in statements:
                await _attack(server, place, sql, spill, kind, counts)


async def _theirs(folder: Path, counts: _Counts) -> None:
    place = _place(folder)
    _write_utf8(place)
    spill = place.cache / _SPILL
    spill.mkdir(parents=True)
    init = place.base / "init.sql"
    views = [f'CREATE OR REPLACE VIEW "{name}" AS FROM {read}' for name, read in _views(place).items()]
    init.write_text(";\n".join(["SET autoinstall_known_extensions = false", *views]), encoding="utf-8")
    server = await motherduck(folder / "home", "--init-sql", str(init))
    async with server.running(place.root) as running:
        for sql, _ in READING:
            await _legitimate(running, sql, counts)
    left = [
        (kind, sql)
        for kind, statements in _ATTACKS.items()
        for sql in statements
        if stays_inside(place.fill(sql, str(spill)), place.base)
    ]
    while left:  # a new server after each crash
        try:
            async with server.running(place.root) as running:
                while left:
                    kind, sql = left.pop(0)
                    await _attack_theirs(running, place, sql, str(spill), kind, counts, views)
        except* BenchError:
            counts.crashed += 1
            if counts.crashed > _MOST_CRASHES:
                raise


async def _attack_theirs(
    server: RunningServer, place: Place, sql: str, spill: str, kind: str, counts: _Counts, views: list[str]
) -> None:
    """Give one attack, then put files and tables back as they were."""
    try:
        refused = await _attack(server, place, sql, spill, kind, counts)
    finally:
        for path in (place.root, place.outside):
            shutil.rmtree(path)
        _write_utf8(place)
    if not refused:
        if sql == "BEGIN":
            await server.query("ROLLBACK")
        await server.query(";\n".join((*_UNDOING, *views)))


def stays_inside(sql: str, folder: Path) -> bool:
    """Tell whether a statement names nothing outside this folder: no other path, address or extension."""
    paths = [Path(path).resolve() for path in _QUOTED_PATH.findall(sql)]
    return not _NOT_GIVEN.search(sql) and all(path.is_relative_to(folder.resolve()) for path in paths)


async def _legitimate(server: RunningServer, sql: str, counts: _Counts) -> None:
    answer = await server.client.answer(await server.begin(sql))
    if answer.failed:
        counts.unanswered.append(sql)
    else:
        counts.answered += 1


async def _attack(server: RunningServer, place: Place, sql: str, spill: str, kind: str, counts: _Counts) -> bool:
    """Give one attack and count how it was taken; tell whether it was refused."""
    before = folder_bytes(place.base)
    counts.given[kind].add(sql)
    answer = await server.client.answer(await server.begin(place.fill(sql, spill)))
    counts.changed_files += kind == "writing" and folder_bytes(place.base) != before
    counts.told_secrets += _SECRET in answer.text
    if answer.failed:
        counts.refused[kind].add(sql)
        return True
    counts.without_rows += kind == "reaching" and not server.rows(answer)
    return False


def _write_utf8(place: Place) -> None:
    """Write the files, none of them in an encoding that the rival would need an extension for."""
    place.write()
    sales = place.root / "売上.csv"
    sales.write_text(sales.read_text("cp932"), encoding="utf-8")


def _views(place: Place) -> dict[str, str]:
    return {name: read.format(root=place.root) for name, read in _VIEWS.items()}


def _place(folder: Path) -> Place:
    place = Place(folder / "place", folder / "place" / "cache")
    place.base.mkdir(parents=True)
    place.write()
    return place
