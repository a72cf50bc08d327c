"""Mapped tables below the tools: written whatever was found, replaced under readers, told when out of date."""

from __future__ import annotations

import base64
import stat
import sys
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
import numpy as np
import pytest

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.tables.duckdb_engine.embed_function import embedded
from mcp_context_resources.tables.local_engine import WRITE_MAP, LocalEngine
from mcp_context_resources.tables.model_tables.journal import Finding, Journal
from mcp_context_resources.tables.model_tables.manifest import Manifest
from mcp_context_resources.tables.model_tables.spec import NOT_DONE, MapColumn, RowsWanted
from mcp_context_resources.tables.reader import COMPANIONS, TABLE_FORMATS
from mcp_context_resources.tables.service import Tables
from mcp_context_resources.tables.settings import TableSettings
from mcp_context_resources.workers.pool import WorkerPool
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_context_resources.workspace.workspace import Workspace
from mcp_context_tools.row_tasks.schema_columns import unfit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from mcp_context_resources.tables.model_tables.spec import MapMade, TakenRows
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source

pytestmark = pytest.mark.anyio

WHOLE: Final = MapColumn("n", "BIGINT")
TEXTS: Final = ("one", "two", "three")


@pytest.fixture
async def tables(tmp_path: Path) -> AsyncIterator[Tables]:
    daily = tmp_path / "root" / "daily"
    daily.mkdir(parents=True)
    for day in (1, 2):
        (daily / f"d{day}.csv").write_text(f"id,text\n{day},tram {day} was late\n", encoding="utf-8")
    workspace = Workspace(
        WorkspaceSettings(roots=(tmp_path / "root",)), {"table": TABLE_FORMATS}, companions=COMPANIONS
    )

    async def embedder(catalogue: Catalogue, texts: Sequence[str], model: str | None) -> list[list[float]]:
        del catalogue, model
        return [[float(len(text)), 1.0] for text in texts]

    settings, cache = TableSettings(workers=1), tmp_path / "cache"
    engine = LocalEngine(workspace, settings, cache, 1 << 28)
    made = Tables(engine, workspace, settings, cache, 1 << 28, embedder=embedder)
    yield made
    await made.aclose()


async def taken(
    tables: Tables, sql: str, column: str = "text", prompt: str = ""
) -> tuple[TakenRows, list[Source], str]:
    file = tables.mapped.rows_file()
    wanted = RowsWanted((column,) if column else (), prompt, 10_000, 1_000, file)
    rows, sources = await tables.take_rows(sql, None, wanted)
    return rows, sources, file


async def written(
    tables: Tables,
    found: Mapping[str, Mapping[str, Any]],
    *columns: MapColumn,
    sql: str = "SELECT unnest(['one', 'two', 'three']) AS text",
    name: str = "map_found",
) -> MapMade:
    """Map rows by what is found in each text here, in place of a model."""
    rows, sources, file = await taken(tables, sql)
    journal = tables.mapped.journal(name)
    if found:
        journal.append({text: Finding(values) for text, values in found.items()})
    manifest = Manifest(name, "", 0, 0, "extract", "m", len(rows.places), 0, (), tables.mapped.origin_files(sources))
    keys = [None if place is None else rows.texts[place] for place in rows.places]
    problems = {} if found else dict.fromkeys(rows.texts, "given up")
    return await tables.mapped.write(manifest, file, journal, keys, columns, problems, deadline=60)


async def rows_of(tables: Tables, sql: str) -> list[list[Any]]:
    page = await tables.query(sql, None, max_rows=100, max_chars=100_000, max_cell_chars=1_000)
    return page.fetched.rows


async def notes_of(tables: Tables, sql: str) -> str:
    page = await tables.query(sql, None, max_rows=100, max_chars=100_000, max_cell_chars=1_000)
    return "\n".join(page.fetched.notes)


# What is written.


@pytest.mark.slow
async def test_a_value_its_column_cannot_hold_is_null_with_a_problem_and_costs_no_other_row(tables: Tables) -> None:
    found = {"one": {"n": 1, "l": [1, None]}, "two": {"n": 1e20, "l": []}, "three": {"n": 3, "l": [1e20, 2]}}
    await written(tables, found, WHOLE, MapColumn("l", "BIGINT[]"))
    rows = await rows_of(tables, "SELECT n, l, problem FROM map_found")
    assert rows[0] == [1, [1, None], None]
    assert rows[1][:2] == [None, []]
    assert "n can't be held" in rows[1][2]
    assert rows[2][:2] == [3, [None, 2]]
    assert "l can't be held" in rows[2][2]


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [("BIGINT", 1e20, False), ("BIGINT[]", [1.0, -1e19], False), ("DOUBLE", 6.02e23, True), ("BIGINT", 2.0, True)],
)
def test_a_number_fits_or_not_by_the_type_of_its_column(kind: str, value: Any, fits: bool) -> None:
    assert (unfit({"n": value}, [MapColumn("n", kind)]) is None) == fits


@pytest.mark.slow
async def test_what_the_journal_lost_meanwhile_is_told_as_unfinished(tables: Tables) -> None:
    made = await written(tables, {"one": {"n": 1}, "three": {"n": 3}}, WHOLE)
    assert (made.missing, made.unfinished) == (("two",), 1)
    assert await rows_of(tables, "SELECT text, problem FROM map_found WHERE n IS NULL") == [["two", NOT_DONE]]
    assert "1 of 3 rows of map_found are not done yet" in await notes_of(tables, "FROM map_found")


@pytest.mark.slow
async def test_vectors_are_written_as_they_were_found_and_one_of_another_length_is_a_problem(tables: Tables) -> None:
    vectors = {text: np.array([place / 3, -1.5, 1e-30], "<f4") for place, text in enumerate(TEXTS)}
    vectors["two"] = vectors["two"][:2]
    found = {text: {"e": base64.b64encode(vector.tobytes()).decode()} for text, vector in vectors.items()}
    sql = "SELECT unnest(['one', 'two', 'three', '', 'one']) AS text"
    await written(tables, found, MapColumn("e", "FLOAT[]", vectors=True), sql=sql)
    rows = await rows_of(tables, "SELECT e, problem FROM map_found")
    exact = [[float(number) for number in vectors[text]] for text in ("one", "three")]
    assert [np.array(row[0], "f4").tolist() if row[0] else None for row in rows] == [
        exact[0],
        None,
        exact[1],
        None,
        exact[0],
    ]
    assert [bool(row[1]) for row in rows] == [False, True, False, False, False]


@pytest.mark.slow
async def test_a_table_is_written_where_no_text_got_a_vector(tables: Tables) -> None:
    await written(tables, {}, MapColumn("e", "FLOAT[]", vectors=True))
    assert await rows_of(tables, "SELECT e, problem FROM map_found") == [[None, "given up"]] * 3


@pytest.mark.slow
async def test_more_vectors_than_are_handed_over_at_once_stay_with_their_rows(tables: Tables) -> None:
    count, size = 700, 4_096
    found = {f"t{row}": {"e": base64.b64encode(np.full(size, row, "<f4").tobytes()).decode()} for row in range(count)}
    sql = f"SELECT 't' || i AS text, i FROM range({count}) t(i) ORDER BY i"
    await written(tables, found, MapColumn("e", "FLOAT[]", vectors=True), sql=sql)
    same = "SELECT count(*) FROM map_found WHERE e[1] = i AND e[4096] = i AND len(e) = 4096"
    assert await rows_of(tables, same) == [[count]]


@pytest.mark.slow
async def test_long_findings_get_more_time_to_be_written(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    run = WorkerPool.run
    given: list[float] = []

    async def recording(pool: WorkerPool, function: Any, *arguments: Any, deadline: float, **options: Any) -> Any:
        if function is WRITE_MAP:
            given.append(deadline)
        return await run(pool, function, *arguments, deadline=deadline, **options)

    monkeypatch.setattr(WorkerPool, "run", recording)
    long = MapColumn("t", "VARCHAR")
    sql = "SELECT unnest(['one', 'one', 'one']) AS text"
    await written(tables, {"one": {"t": "x"}}, long, sql=sql, name="map_short")
    await written(tables, {"one": {"t": "x" * 4_000_000}}, long, sql=sql, name="map_long")
    assert given == [pytest.approx(60, abs=0.1), pytest.approx(66, abs=0.1)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_no_other_user_reads_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "kept" / "j.jsonl")
    journal.append({"key": Finding({"n": 1})})
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


# While it is replaced.


async def mapped_source(tables: Tables) -> Source:
    source = (await tables.catalogue()).find("table", "map_found")
    assert source is not None
    return source


@pytest.mark.slow
async def test_a_replaced_table_is_still_there_for_who_was_given_it(tables: Tables) -> None:
    await written(tables, {"one": {"n": 1}}, WHOLE)
    before = await mapped_source(tables)
    await written(tables, {"one": {"n": 2}}, WHOLE)
    after = await mapped_source(tables)
    assert before.path != after.path
    assert before.path.is_file()
    assert tables.mapped.is_mapped(before)
    assert tables.mapped.of(before) is not None
    assert await rows_of(tables, "SELECT n FROM map_found WHERE text = 'one'") == [[2]]


@pytest.mark.slow
async def test_replaced_tables_do_not_pile_up(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_context_resources.tables.model_tables.service._MOST_EARLIER", 1)
    paths = []
    for number in range(3):
        await written(tables, {"one": {"n": number}}, WHOLE)
        paths.append((await mapped_source(tables)).path)
    assert [path.is_file() for path in paths] == [False, True, True]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "gives"),
    [
        ("SELECT n FROM map_found WHERE text = 'one'", 2),
        ("SELECT count(*) FROM (SHOW TABLES) WHERE name = 'map_found'", 1),
    ],
    ids=["by name", "all tables"],
)
async def test_a_table_replaced_between_listing_and_reading_is_read_anew(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, sql: str, gives: int
) -> None:
    await written(tables, {"one": {"n": 1}}, WHOLE)
    before = await mapped_source(tables)
    notes = tables.mapped.notes
    replaced: list[Source] = []

    async def replacing(sources: Sequence[Source], catalogue: Catalogue) -> list[str]:
        said = await notes(sources, catalogue)
        if not replaced:
            replaced.append(before)
            await written(tables, {"one": {"n": 2}}, WHOLE)
            await anyio.to_thread.run_sync(before.path.unlink)
        return said

    monkeypatch.setattr(tables.mapped, "notes", replacing)
    assert await rows_of(tables, sql) == [[gives]]
    assert replaced


# Whether it is out of date.


@pytest.mark.slow
async def test_a_file_more_or_fewer_in_a_folder_that_is_a_table_is_told(tables: Tables, tmp_path: Path) -> None:
    found = {"tram 1 was late": {"n": 1}, "tram 2 was late": {"n": 2}}
    await written(tables, found, WHOLE, sql="FROM daily")
    assert "was made before" not in await notes_of(tables, "FROM map_found")
    new = tmp_path / "root" / "daily" / "d3.csv"
    new.write_text("id,text\n3,tram 3 was late\n", encoding="utf-8")
    assert "made before daily changed" in await notes_of(tables, "FROM map_found")
    new.unlink()
    assert "was made before" not in await notes_of(tables, "FROM map_found")
    (tmp_path / "root" / "daily" / "d2.csv").unlink()
    assert "made before daily changed" in await notes_of(tables, "FROM map_found")


# Rows and columns taken.


@pytest.mark.slow
async def test_names_of_fields_are_not_taken_for_types(tables: Tables) -> None:
    sql = "SELECT 'one' AS text, {'BITRATE': 1} AS s, '101'::BIT AS b, {'x': 1::HUGEINT} AS h"
    await written(tables, {"one": {"n": 1}}, WHOLE, sql=sql)
    rows = await rows_of(tables, "SELECT typeof(s), typeof(b), typeof(h) FROM map_found")
    assert rows == [["STRUCT(BITRATE INTEGER)", "VARCHAR", "VARCHAR"]]


async def test_columns_whose_names_differ_by_more_than_ascii_case_are_told_apart(tables: Tables) -> None:
    sql = "SELECT 'small' AS \"é\", 'large' AS \"É\", 'x' AS Text"
    assert (await taken(tables, sql, "é"))[0].texts == ("small",)
    assert (await taken(tables, sql, "É"))[0].texts == ("large",)
    assert (await taken(tables, sql, "TEXT"))[0].text_columns == ("Text",)
    assert (await taken(tables, sql, "", "about {É}"))[0].text_columns == ("É",)
    with pytest.raises(InvalidInputError, match="no column 'texts'"):
        await taken(tables, sql, "texts")


# embed in SQL.


async def test_embed_with_its_schema_gives_the_vector_too(tables: Tables) -> None:
    assert await rows_of(tables, "SELECT embed('cat') AS a, main.embed('tiger') AS b") == [[[3.0, 1.0], [5.0, 1.0]]]


def test_a_call_of_embed_is_known_by_the_last_part_of_its_name() -> None:
    words = {"expression": {"type": "VALUE_CONSTANT", "literal": {"kind": "STRING", "text": "x"}}}
    call = {"qualified_name": {"path": ["memory", "main", '"Embed"']}, "arguments": [words]}
    assert embedded(call) == ("text", "x")
    assert embedded({**call, "qualified_name": {"path": ["embed", "other"]}}) is None


def test_embed_of_a_text_without_a_vector_is_an_error() -> None:
    duckdb = pytest.importorskip("duckdb")
    from mcp_context_resources.tables.duckdb_engine.embed_function import define_embed

    with duckdb.connect() as connection:
        define_embed(connection, [("cat", "[1.0]")])
        assert connection.execute("SELECT embed('cat')").fetchall() == [([1.0],)]
        with pytest.raises(duckdb.Error, match="no vector"):
            connection.execute("SELECT embed('dog')").fetchall()
