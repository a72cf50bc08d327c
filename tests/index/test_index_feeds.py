"""What the search index is fed with: passages of documents, tables and their rows, vectors."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
from contextlib import asynccontextmanager
from importlib import metadata
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from mcp_context_resources.documents.reader import DOCUMENT_FORMATS
from mcp_context_resources.documents.service import Documents
from mcp_context_resources.errors import (
    ModelUnavailableError,
    NotFoundError,
    PasswordRequiredError,
    SourceChangedError,
    UnreadableSourceError,
)
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.models.formats import MODEL_FORMATS
from mcp_context_resources.models.service import Models
from mcp_context_resources.tables.duckdb_dialect import DUCKDB
from mcp_context_resources.tables.local_engine import LocalEngine
from mcp_context_resources.tables.reader import COMPANIONS, TABLE_FORMATS
from mcp_context_resources.tables.service import Tables
from mcp_context_resources.workspace.workspace import Workspace
from mcp_context_tools.index_feeds.documents import DocumentFeed
from mcp_context_tools.index_feeds.embedder import ModelEmbedder
from mcp_context_tools.index_feeds.table_profile import MAX_SCHEMA_CHARS
from mcp_context_tools.index_feeds.tables import TableFeed
from mcp_context_tools.search_hits.places import row_sql
from tests.support.files import encrypted_pdf, pdf
from tests.support.serving import EXAMPLE_DATA, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp_context_resources.index.feed import ChunkBatch, Feed
    from mcp_context_resources.index.spec import Chunk, IndexedSource

pytestmark = pytest.mark.anyio


class Rooms:
    """The rooms that feeds read from, over one folder."""

    def __init__(self, root: Path, cache: Path, sections: dict[str, dict[str, Any]]) -> None:
        settings = settings_for(root, cache=cache, **sections)
        formats = {"table": TABLE_FORMATS, "document": DOCUMENT_FORMATS, "model": MODEL_FORMATS}
        self.workspace = Workspace(settings.workspace, formats, companions=COMPANIONS)  # type: ignore[arg-type]
        self.documents = Documents(self.workspace, settings.documents, cache, 1 << 30)
        engine = LocalEngine(self.workspace, settings.tables, cache, 1 << 30)
        self.tables = Tables(engine, self.workspace, settings.tables, cache, 1 << 30, self.documents.sql_tables)
        self.models = Models(self.workspace, settings.models, cache, 1 << 30)

    def document_feed(self, **settings: Any) -> DocumentFeed:
        return DocumentFeed(self.documents, self.workspace, IndexSettings(**settings))

    def table_feed(self, **settings: Any) -> TableFeed:
        return TableFeed(self.tables, IndexSettings(**settings))

    async def row(self, table: str, number: int) -> dict[str, Any]:
        """Return a row as its number is resolved to one: by SQL."""
        page = await self.tables.query(
            row_sql(DUCKDB, table, number), None, max_rows=2, max_chars=10_000, max_cell_chars=1_000
        )
        (row,) = page.fetched.rows
        return {column.name: cell for column, cell in zip(page.fetched.columns, row, strict=True)}


@asynccontextmanager
async def rooms(root: Path, cache: Path, **sections: dict[str, Any]) -> AsyncIterator[Rooms]:
    opened = Rooms(root, cache, sections)
    try:
        yield opened
    finally:
        await opened.tables.aclose()
        await opened.documents.aclose()
        await opened.models.aclose()


async def source_of(feed: Feed, name: str) -> IndexedSource:
    return next(source for source in await feed.sources() if source.name == name)


async def cuts_of(feed: Feed, name: str, first: int = 0) -> list[ChunkBatch]:
    return [cut async for cut in feed.chunks(await source_of(feed, name), first)]


async def chunks_of(feed: Feed, name: str, first: int = 0) -> list[Chunk]:
    return [chunk for cut in await cuts_of(feed, name, first) for chunk in cut.chunks]


# Documents


async def test_passages_of_a_pdf_stand_on_their_pages_under_their_headings(cache: Path) -> None:
    async with rooms(EXAMPLE_DATA, cache) as opened:
        chunks = await chunks_of(opened.document_feed(), "運行案内.pdf")
        reading = (await opened.documents.read("運行案内.pdf", max_chars=100_000)).content
    texts = {page.number: page.text for page in reading.pages}
    assert all(chunk.page and chunk.text == texts[chunk.page][chunk.start : chunk.end] for chunk in chunks)
    assert {chunk.page for chunk in chunks} == set(texts)
    assert chunks[0].heading == ("1. 運賃と運行時間",)
    assert all(chunk.heading for chunk in chunks)


async def test_headings_of_markdown_lead_to_its_passages(tmp_path: Path, cache: Path) -> None:
    body = "Words that are said here. " * 30
    (tmp_path / "a.md").write_text(f"# Rules\n\n{body}\n\n## Fares\n\n{body}\n\n## Lost\n\n{body}\n")
    async with rooms(tmp_path, cache) as opened:
        chunks = await chunks_of(opened.document_feed(), "a.md")
    assert [chunk.heading for chunk in chunks] == [("Rules",), ("Rules", "Fares"), ("Rules", "Lost")]


@pytest.mark.slow
async def test_a_long_document_goes_on_where_it_was_left(tmp_path: Path, cache: Path) -> None:
    text = "\n\n".join(f"Paragraph {n}. " + "It says something of its own. " * 12 for n in range(3_000))
    (tmp_path / "long.txt").write_text(text)
    async with rooms(tmp_path, cache) as opened:
        feed = opened.document_feed()
        cuts = await cuts_of(feed, "long.txt")
        whole = [chunk for cut in cuts for chunk in cut.chunks]
        assert len(cuts) > 3
        assert max(len(cut.chunks) for cut in cuts) < 300
        assert cuts[-1].done == cuts[-1].total == len({chunk.page for chunk in whole})
        for first in (0, 1, 250, len(whole) - 1, len(whole)):
            assert await chunks_of(feed, "long.txt", first) == whole[first:]


async def test_of_a_document_beyond_the_limit_the_beginning_is_there_and_it_is_said(
    tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "long.txt").write_text("A sentence of a long text. " * 2_000)
    (tmp_path / "fits.txt").write_text("x" * 9_999 + "y")
    async with rooms(tmp_path, cache) as opened:
        feed = opened.document_feed(max_source_chars=10_000)
        cuts = await cuts_of(feed, "long.txt")
        assert sum(len(chunk.text) for cut in cuts for chunk in cut.chunks) <= 10_000
        assert cuts[-1].note == "Only the first 10,000 characters are searchable."
        fitting = await cuts_of(feed, "fits.txt")
        assert [cut.note for cut in fitting] == [""] * len(fitting)
        assert fitting[-1].chunks[-1].text.endswith("y")


async def test_a_document_that_changed_is_not_read_as_the_version_asked_for(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.txt").write_text("One text.")
    async with rooms(tmp_path, cache) as opened:
        feed = opened.document_feed()
        before = await source_of(feed, "a.txt")
        (tmp_path / "a.txt").write_text("Another text.")
        with pytest.raises(SourceChangedError):
            [cut async for cut in feed.chunks(before, 0)]
        after = await source_of(feed, "a.txt")
        assert after.fingerprint != before.fingerprint
        assert after.key == before.key == "document://a.txt"
        (tmp_path / "a.txt").unlink()
        with pytest.raises(NotFoundError):
            [cut async for cut in feed.chunks(after, 0)]


async def test_a_version_is_told_by_how_it_is_cut_too(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.txt").write_text("One text.")
    (tmp_path / "t.csv").write_text("name\nAlice Brown\n")
    async with rooms(tmp_path, cache) as opened:
        for one, other in (
            (opened.document_feed(), opened.document_feed(chunk_chars=500)),
            (opened.table_feed(), opened.table_feed(max_rows=10)),
        ):
            name = (await one.sources())[0].name
            assert (await source_of(one, name)).fingerprint != (await source_of(other, name)).fingerprint
        again = opened.document_feed()
        assert await again.sources() == await opened.document_feed().sources()


async def test_what_was_unreadable_is_tried_again_with_an_extra_that_was_added(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("note.docx", "paper.pdf", "sheet.arrow"):
        (tmp_path / name).write_bytes(b"x")
    installed: dict[str, str] = {}

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)

    async def fingerprints() -> dict[str, str]:
        async with rooms(tmp_path, cache) as opened:
            found = [*await opened.document_feed().sources(), *await opened.table_feed().sources()]
        return {source.file: source.fingerprint for source in found}

    before = await fingerprints()
    for package, file in (("python-docx", "note.docx"), ("tesserocr", "paper.pdf"), ("pyarrow", "sheet.arrow")):
        installed[package] = "1.0"
        after = await fingerprints()
        assert {name for name in after if after[name] != before[name]} == {file}
        before = after


@pytest.mark.slow
async def test_a_locked_document_needs_its_password_and_stays_with_the_server_that_knows_it(
    tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "locked.pdf").write_bytes(encrypted_pdf("a secret", user_password="u", owner_password="o"))
    async with rooms(tmp_path, cache) as opened:
        with pytest.raises(PasswordRequiredError):
            await cuts_of(opened.document_feed(), "locked.pdf")
    async with rooms(tmp_path, cache, documents={"passwords": ["*.pdf=u"]}) as opened:
        one, other = opened.document_feed(), opened.document_feed()
        assert [chunk.text for chunk in await chunks_of(one, "locked.pdf")] == ["a secret"]
        assert (await source_of(one, "locked.pdf")).fingerprint != (await source_of(other, "locked.pdf")).fingerprint


async def test_damaged_and_blank_documents_are_told_apart(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "damaged.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (tmp_path / "blank.pdf").write_bytes(pdf("", ""))
    async with rooms(tmp_path, cache) as opened:
        feed = opened.document_feed()
        with pytest.raises(UnreadableSourceError):
            await cuts_of(feed, "damaged.pdf")
        assert await chunks_of(feed, "blank.pdf") == []


# Tables


@pytest.mark.slow
async def test_a_table_is_described_by_its_columns_and_what_they_hold(cache: Path) -> None:
    async with rooms(EXAMPLE_DATA, cache) as opened:
        chunks = await chunks_of(opened.table_feed(), "trips")
    rows = [chunk.text for chunk in chunks if chunk.kind == "row"]
    assert [chunk.kind for chunk in chunks[: -len(rows)]] == ["schema"]
    assert all("; note: " in row for row in rows), "rows of figures alone are not there one by one"
    assert any("fish" in row for row in rows), "what stands in one row alone is found"
    text = chunks[0].text
    assert text.startswith(
        "Table trips (ridership/trips.csv), 4,941 rows. Columns: date (DATE) 2025-04-01 to 2025-09-30"
    )
    assert "line (VARCHAR) Harbour, Hill, Canal" in text
    assert (chunks[0].row, chunks[0].page) == (None, None)


async def test_rows_of_words_are_numbered_as_sql_counts_them(cache: Path) -> None:
    async with rooms(EXAMPLE_DATA, cache) as opened:
        chunks = [chunk for chunk in await chunks_of(opened.table_feed(), "停留所") if chunk.kind == "row"]
        assert [chunk.row for chunk in chunks] == list(range(1, 25))
        for chunk in (chunks[0], chunks[-1]):
            row = await opened.row("停留所", chunk.row or 0)
            assert chunk.text.startswith(f"停留所番号: {row['停留所番号']}; 停留所名: {row['停留所名']}; ")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "parquet", "json", "sqlite", "xlsx"])
async def test_rows_keep_the_order_of_the_file_in_every_format(form: str, tmp_path: Path, cache: Path) -> None:
    names = [f"Person number {n * 7919 % 6_000} of the town" for n in range(6_000 if form != "xlsx" else 600)]
    await write_table(tmp_path / f"people.{form}", names, cache)
    async with rooms(tmp_path, cache) as opened:
        chunks = [chunk for chunk in await chunks_of(opened.table_feed(), "people") if chunk.kind == "row"]
        assert [chunk.text for chunk in chunks] == [f"id: {n}; name: {name}" for n, name in enumerate(names)]
        assert [chunk.row for chunk in chunks] == list(range(1, len(names) + 1))
        assert (await opened.row("people", len(names) - 5))["name"] == names[-6]


async def write_table(path: Path, names: list[str], cache: Path) -> None:
    rows = list(enumerate(names))
    if path.suffix == ".csv":
        path.write_text("id,name\n" + "".join(f"{n},{name}\n" for n, name in rows))
    elif path.suffix == ".json":
        path.write_text("\n".join(json.dumps({"id": n, "name": name}) for n, name in rows))
    elif path.suffix == ".sqlite":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE people (id INTEGER, name TEXT)")
            database.executemany("INSERT INTO people VALUES (?, ?)", rows)
        database.close()
    elif path.suffix == ".xlsx":
        import xlsxwriter

        with xlsxwriter.Workbook(str(path)) as book:
            sheet = book.add_worksheet()
            for number, row in enumerate([("id", "name"), *rows]):
                sheet.write_row(number, 0, row)
    else:
        import duckdb

        csv = cache / "people.csv"
        await write_table(csv, names, cache)
        duckdb.sql(f"COPY (FROM read_csv('{csv}')) TO '{path}' (ROW_GROUP_SIZE 2048)")


@pytest.mark.slow
async def test_reading_rows_goes_on_where_it_was_left(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "t.csv").write_text("name\n" + "".join(f"Person number {n}\n" for n in range(7_000)))
    async with rooms(tmp_path, cache) as opened:
        feed = opened.table_feed()
        whole = await chunks_of(feed, "t")
        assert len(whole) == 7_001
        for first in (1, 2, 5_001, 7_001):
            assert await chunks_of(feed, "t", first) == whole[first:]


async def test_of_a_long_table_only_so_many_rows_are_there_and_it_is_said(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "t.csv").write_text("name\n" + "".join(f"Person number {n}\n" for n in range(50)))
    async with rooms(tmp_path, cache) as opened:
        cuts = await cuts_of(opened.table_feed(max_rows=20), "t")
        assert [chunk.row for cut in cuts for chunk in cut.chunks][-1] == 20
        assert cuts[-1].note == "Only the first 20 of 50 rows are searchable one by one."
        assert [chunk.kind for chunk in await chunks_of(opened.table_feed(max_rows=0), "t")] == ["schema"]


@pytest.mark.slow
async def test_every_column_of_a_wide_table_is_named(tmp_path: Path, cache: Path) -> None:
    names = [f"measured_value_{n}" for n in range(600)]
    (tmp_path / "wide.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    async with rooms(tmp_path, cache) as opened:
        chunks = await chunks_of(opened.table_feed(), "wide")
    assert {chunk.kind for chunk in chunks} == {"schema"}
    assert all(len(chunk.text) <= MAX_SCHEMA_CHARS and chunk.text.startswith("Table wide (") for chunk in chunks)
    assert all(any(f" {name} (" in chunk.text for chunk in chunks) for name in names)


async def test_a_long_cell_is_several_chunks_of_one_row(tmp_path: Path, cache: Path) -> None:
    story = "They went to town and came back. " * 100
    (tmp_path / "t.csv").write_text(f'id,story\n1,"{story}"\n2,Nothing happened at all\n3,\n')
    async with rooms(tmp_path, cache) as opened:
        chunks = [chunk for chunk in await chunks_of(opened.table_feed(), "t") if chunk.kind == "row"]
    first = [chunk for chunk in chunks if chunk.row == 1]
    assert len(first) > 2
    assert " ".join(chunk.text for chunk in first) == f"id: 1; story: {story}".strip()
    assert all(one.end < other.start for one, other in pairwise(first))
    assert [chunk.row for chunk in chunks if chunk.row != 1] == [2], "a row without words can't be looked for"


async def test_codes_and_figures_are_no_words(tmp_path: Path, cache: Path) -> None:
    lines = (f"A-{n},{n}.5,x{n:04x},2026-01-{n % 28 + 1:02}\n" for n in range(300))
    (tmp_path / "codes.csv").write_text("code,value,mark,day\n" + "".join(lines))
    async with rooms(tmp_path, cache) as opened:
        assert {chunk.kind for chunk in await chunks_of(opened.table_feed(), "codes")} == {"schema"}


@pytest.mark.slow
async def test_a_folder_of_tables_has_its_rows_in_its_files_alone(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "months").mkdir()
    for month in ("may", "june"):
        (tmp_path / "months" / f"{month}.csv").write_text(f"name\nPerson of {month}\nAnother of {month}\n")
    parts = tmp_path / "parts" / "year=2026"
    parts.mkdir(parents=True)
    shutil.copy(tmp_path / "months" / "may.csv", parts / "a.csv")
    async with rooms(tmp_path, cache) as opened:
        feed = opened.table_feed()
        kinds = {source.name: [c.kind for c in await chunks_of(feed, source.name)] for source in await feed.sources()}
    assert kinds == {
        "may": ["schema", "row", "row"],
        "june": ["schema", "row", "row"],
        "months": ["schema"],
        "parts": ["schema", "row", "row"],
    }


async def test_names_that_sql_would_trip_over_do_no_harm(tmp_path: Path, cache: Path) -> None:
    (tmp_path / 'it"s; DROP.csv').write_text('"a ""b""; c","x\ny"\nSome words here,1\n')
    async with rooms(tmp_path, cache) as opened:
        feed = opened.table_feed()
        (source,) = await feed.sources()
        schema, row = await chunks_of(feed, source.name)
        assert 'a "b"; c (VARCHAR) Some words here' in schema.text
        assert row.text == 'a "b"; c: Some words here; x y: 1'
        assert list((await opened.row(source.name, 1)).values()) == ["Some words here", 1]


async def test_a_table_that_changed_is_not_read_as_the_version_asked_for(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "t.csv").write_text("name\n" + "".join(f"Person number {n}\n" for n in range(6_000)))
    async with rooms(tmp_path, cache) as opened:
        feed = opened.table_feed()
        before = await source_of(feed, "t")
        reading = feed.chunks(before, 0)
        await anext(reading)
        (tmp_path / "t.csv").write_text("name\nSomebody else\n")
        with pytest.raises(SourceChangedError):
            [cut async for cut in reading]
        with pytest.raises(SourceChangedError):
            [cut async for cut in feed.chunks(before, 0)]
        after = await source_of(feed, "t")
        (tmp_path / "t.csv").unlink()
        with pytest.raises(NotFoundError):
            [cut async for cut in feed.chunks(after, 0)]


async def test_a_table_that_cannot_be_read_costs_its_own_error_only(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but nothing else")
    async with rooms(tmp_path, cache) as opened:
        feed = opened.table_feed()
        with pytest.raises(UnreadableSourceError):
            await cuts_of(feed, "bad")


# Vectors


async def test_without_a_model_there_are_no_vectors(tmp_path: Path, cache: Path) -> None:
    async with rooms(tmp_path, cache, models={"starter": False, "folder": tmp_path / "none"}) as opened:
        embedder = ModelEmbedder(opened.models, opened.tables.catalogue)
        assert await embedder.model() == ""
        assert await embedder.rerank("a question", ["a text"]) is None
        with pytest.raises(ModelUnavailableError):
            await embedder.passages(["a text"])
        with pytest.raises(ModelUnavailableError):
            await embedder.query("a question")


@pytest.mark.slow
async def test_vectors_of_passages_and_queries_come_in_order_and_find_what_is_meant(
    tmp_path: Path, cache: Path
) -> None:
    texts = ["忘れ物は三十日間保管します。", "A day pass costs 650 yen.", "Bicycles may be taken off-peak."] * 7
    async with rooms(tmp_path, cache) as opened:
        embedder = ModelEmbedder(opened.models, opened.tables.catalogue)
        if not (model := await embedder.model()):
            pytest.skip("no embedding model is installed")
        assert model == await embedder.model()
        made, query = await embedder.passages(texts), await embedder.query("How long is lost property kept?")
        assert await embedder.query("How long is lost property kept?") == query
        assert await embedder.passages([]) == b""
        assert await embedder.rerank("a question", ["a text"]) is None
    size = len(query)
    vectors = [struct.unpack(f"<{size // 4}f", made[at : at + size]) for at in range(0, len(made), size)]
    wanted = struct.unpack(f"<{size // 4}f", query)
    likeness = [sum(a * b for a, b in zip(vector, wanted, strict=True)) for vector in vectors]
    assert len(vectors) == len(texts)
    assert likeness.index(max(likeness)) % 3 == 0
    assert all(sum(a * a for a in vector) == pytest.approx(1, abs=1e-3) for vector in [*vectors, wanted])


@pytest.mark.slow
async def test_for_metrics_that_need_it_vectors_keep_the_length_the_model_gave_them(
    tmp_path: Path, cache: Path
) -> None:
    async with rooms(tmp_path, cache) as opened:
        if not await ModelEmbedder(opened.models, opened.tables.catalogue).model():
            pytest.skip("no embedding model is installed")
        texts = ["忘れ物は三十日間保管します。", "A day pass costs 650 yen."]
        unit = await ModelEmbedder(opened.models, opened.tables.catalogue).passages(texts)
        own = await ModelEmbedder(opened.models, opened.tables.catalogue, unit=False).passages(texts)
    of_one, as_made = (struct.unpack(f"<{len(one) // 4}f", one) for one in (unit, own))
    lengths = [sum(a * a for a in as_made[at : at + len(as_made) // 2]) ** 0.5 for at in (0, len(as_made) // 2)]
    assert not any(length == pytest.approx(1, abs=0.05) for length in lengths)
    assert [a / lengths[place // (len(as_made) // 2)] for place, a in enumerate(as_made)] == pytest.approx(of_one)
