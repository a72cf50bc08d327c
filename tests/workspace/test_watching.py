"""Watching: what happens on disk comes out as changes of sources, however the system tells it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import sys
import unicodedata
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import psutil
import pytest
from pydantic import ValidationError

from mcp_context_resources.errors import SourceBusyError
from mcp_context_resources.tables.reader import COMPANIONS, TABLE_FORMATS
from mcp_context_resources.watch import service
from mcp_context_resources.watch.service import Watch
from mcp_context_resources.watch.settings import WatchSettings
from mcp_context_resources.watch.signals import FolderEvents, Signal, are_remote, polling_is_forced
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_context_resources.workspace.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp_context_resources.watch.snapshot import Changes
    from mcp_context_resources.workspace.catalogue import Catalogue

pytestmark = pytest.mark.anyio

EVENTS = {"mode": "events", "debounce_ms": 20}
POLLING = {"mode": "polling", "poll_seconds": 0.1, "debounce_ms": 20}
by_both = pytest.mark.parametrize("how", [EVENTS, POLLING], ids=["events", "polling"])


class Watched:
    """A workspace that is watched, and what was heard of it."""

    def __init__(self, roots: tuple[Path, ...], settings: dict[str, Any], **workspace: Any) -> None:
        self.workspace = Workspace(
            WorkspaceSettings(roots=roots, **workspace),
            {"table": TABLE_FORMATS, "document": {".md": "markdown"}, "model": {}},
            companions=COMPANIONS,
        )
        self.watch = Watch(self.workspace, self.catalogue, WatchSettings.model_validate(settings))
        self.problems: list[Exception] = []
        self._heard: asyncio.Queue[Changes] = asyncio.Queue()

    async def catalogue(self) -> Catalogue:
        if self.problems:
            raise self.problems.pop()
        return await anyio.to_thread.run_sync(self.workspace.catalogue)

    async def hear(self, changes: Changes) -> None:
        await self._heard.put(changes)

    async def next(self) -> tuple[bool, set[str]]:
        """Wait for changes; return whether any came or went, and the names of all."""
        with anyio.fail_after(60):
            changes = await self._heard.get()
        return changes.listed, {source.name for source in changes.sources}

    async def until(self, names: set[str]) -> int:
        """Wait until all of these were heard of, and return how many times something was."""
        times = 0
        while names:
            _, heard = await self.next()
            names -= heard
            times += 1
        return times


@asynccontextmanager
async def watching(*roots: Path, how: dict[str, Any], **workspace: Any) -> AsyncIterator[Watched]:
    """Watch folders, all that is in them being known already."""
    watched = Watched(roots, how, **workspace)
    async with anyio.create_task_group() as group:
        group.start_soon(watched.watch.run, watched.hear)
        end = watched.watch.listen()
        await watched.watch.attend()
        yield watched
        end()
        group.cancel_scope.cancel()


@pytest.mark.slow
@by_both
async def test_a_file_that_comes_changes_and_goes_is_told_as_that(how: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a\n1\n")
    async with watching(tmp_path, how=how) as watched:
        file = tmp_path / "売上.csv"
        file.write_text("a\n1\n")
        assert await watched.next() == (True, {"売上"})
        with file.open("a") as more:
            more.write("2\n")
        assert await watched.next() == (False, {"売上"})
        file.rename(tmp_path / "費用.csv")
        assert await watched.next() == (True, {"売上", "費用"})
        (tmp_path / "費用.csv").unlink()
        assert await watched.next() == (True, {"費用"})


@pytest.mark.slow
@by_both
async def test_an_editors_way_of_saving_is_one_change(how: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_text("one")
    async with watching(tmp_path, how=how) as watched:
        for text in ("two", "three"):
            temporary = tmp_path / "notes.md.tmp"
            temporary.write_text(text)
            temporary.replace(file)
            assert await watched.next() == (False, {"notes.md"})
        file.rename(tmp_path / "notes.md~")  # a backup, then a new file
        file.write_text("four")
        assert await watched.next() == (False, {"notes.md"})


@pytest.mark.slow
@by_both
async def test_folders_that_come_later_are_watched_with_what_is_in_them(
    how: dict[str, Any], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a" / "b"
    outside.mkdir(parents=True)
    (outside / "deep.csv").write_text("a\n1\n")
    async with watching(tmp_path, how=how) as watched:
        outside.parent.rename(tmp_path / "moved")
        assert await watched.next() == (True, {"deep"})
        (tmp_path / "moved" / "b" / "deep.csv").write_text("a\n1\n2\n")
        assert await watched.next() == (False, {"deep"})
        (tmp_path / "new" / "newer").mkdir(parents=True)
        (tmp_path / "new" / "newer" / "first.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"first"})
        shutil.rmtree(tmp_path / "moved")
        assert await watched.next() == (True, {"deep"})


async def test_a_folder_made_anew_under_its_old_name_is_still_watched(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.csv").write_text("a\n1\n")
    async with watching(tmp_path, how=EVENTS) as watched:
        for size in range(2, 5):
            shutil.rmtree(folder)
            folder.mkdir()
            (folder / "a.csv").write_text("a\n" * size)
            await watched.until({"a"})
        (folder / "b.csv").write_text("a\n1\n")
        await watched.until({"b"})


@pytest.mark.slow
async def test_a_storm_of_changes_is_told_whole_and_seldom(tmp_path: Path) -> None:
    def storm() -> None:
        for folder in range(10):
            (tmp_path / f"folder{folder}").mkdir()
            for number in range(folder * 200, folder * 200 + 200):
                (tmp_path / f"folder{folder}" / f"t{number}.csv").write_text("a\n1\n")

    async with watching(tmp_path, how=EVENTS) as watched:
        await anyio.to_thread.run_sync(storm)
        assert await watched.until({f"t{number}" for number in range(2_000)}) < 100
        shutil.rmtree(tmp_path / "folder3")
        await watched.until({f"t{number}" for number in range(600, 800)})


@by_both
async def test_what_is_left_out_is_not_told_and_its_folders_are_not_watched(
    how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = [tmp_path / name for name in (".git", "node_modules", "private", "app/node_modules")]
    for folder in (*hidden, tmp_path / "served"):
        (folder / "deeper").mkdir(parents=True)
    set_up: list[tuple[str, ...]] = []
    signal = service._Span._signal

    def noted(span: service._Span, folders: tuple[str, ...]) -> Signal:
        set_up.append(folders)
        return signal(span, folders)

    monkeypatch.setattr(service._Span, "_signal", noted)
    async with watching(tmp_path, how=how, ignore=("private/",)) as watched:
        for folder in hidden:
            (folder / "a.csv").write_text("a\n1\n")
            (folder / "deeper" / "b.csv").write_text("a\n1\n")
        (tmp_path / "served" / "log.unknown").write_text("nothing that is served")
        (tmp_path / "served" / "deeper" / "c.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"c"})
    served = {str(tmp_path / name) for name in (".", "app", "served", "served/deeper")}
    assert set(set_up[0]) == {os.path.normpath(name) for name in served}


@by_both
async def test_rules_of_what_is_left_out_may_change(how: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
    async with watching(tmp_path, how=how) as watched:
        (tmp_path / ".contextignore").write_text("sub/\n")
        assert await watched.next() == (True, {"b"})
        (tmp_path / ".contextignore").unlink()
        assert await watched.next() == (True, {"b"})
        (tmp_path / "sub" / "b.csv").write_text("a\n2\n3\n")
        assert await watched.next() == (False, {"b"})


@by_both
async def test_links_that_lead_out_are_not_followed(
    how: dict[str, Any], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.csv").write_text("a\n1\n")
    (tmp_path / "folder").symlink_to(outside)
    (tmp_path / "secret.csv").symlink_to(outside / "secret.csv")
    async with watching(tmp_path, how=how) as watched:
        (outside / "secret.csv").write_text("a\n2\n3\n")
        (outside / "more.csv").write_text("a\n1\n")
        (tmp_path / "own.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"own"})


@pytest.mark.slow
@by_both
async def test_a_root_that_goes_and_comes_back_is_watched_again(how: dict[str, Any], tmp_path: Path) -> None:
    gone, there = tmp_path / "gone", tmp_path / "there"
    for folder in (gone, there):
        folder.mkdir()
        (folder / f"in_{folder.name}.csv").write_text("a\n1\n")
    async with watching(gone, there, how=how | {"poll_seconds": 0.1}) as watched:
        shutil.rmtree(gone)
        assert await watched.next() == (True, {"in_gone"})
        (there / "in_there.csv").write_text("a\n2\n3\n")
        assert await watched.next() == (False, {"in_there"})
        gone.mkdir()
        (gone / "again.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"again"})
        (gone / "again.csv").write_text("a\n2\n3\n")
        assert await watched.next() == (False, {"again"})


@by_both
async def test_rows_that_are_only_in_a_databases_log_are_a_change_of_it(how: dict[str, Any], tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE sales (a)")
        before = (tmp_path / "shop.sqlite").stat()
        async with watching(tmp_path, how=how) as watched:
            database.execute("INSERT INTO sales VALUES (1)")
            assert await watched.next() == (False, {"shop"})
            after = (tmp_path / "shop.sqlite").stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)


async def test_a_name_in_another_unicode_form_is_the_same_source(tmp_path: Path) -> None:
    composed = "ガイド.csv"
    decomposed = unicodedata.normalize("NFD", composed)
    async with watching(tmp_path, how=EVENTS) as watched:
        (tmp_path / decomposed).write_text("a\n1\n")
        assert await watched.next() == (True, {"ガイド"})
        (tmp_path / decomposed).write_text("a\n2\n3\n")
        assert await watched.next() == (False, {"ガイド"})


@pytest.mark.parametrize("error", [OSError("no space left on device"), RuntimeError("too many watches")])
async def test_where_the_system_refuses_files_are_polled_and_that_is_logged_once(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", refuse)
    with caplog.at_level(logging.WARNING):
        async with watching(tmp_path, how=EVENTS | {"poll_seconds": 0.1}) as watched:
            for name in ("a", "b"):
                (tmp_path / name).mkdir()
                (tmp_path / name / f"{name}.csv").write_text("a\n1\n")
                assert await watched.next() == (True, {name})
    assert [record.getMessage() for record in caplog.records] == [
        f"files are polled every 0.1 seconds, because the system sends no events ({error})"
    ]


async def test_more_folders_than_are_decent_to_watch_are_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MOST_FOLDERS", 2)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    async with watching(tmp_path, how=EVENTS | {"poll_seconds": 0.1}) as watched:
        monkeypatch.setattr(FolderEvents, "__init__", None)
        (tmp_path / "b" / "x.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"x"})


async def test_nothing_is_watched_before_anyone_listens_or_after_all_have_left(tmp_path: Path) -> None:
    watched = Watched((tmp_path,), EVENTS)
    threads = psutil.Process().num_threads
    async with anyio.create_task_group() as group:
        group.start_soon(watched.watch.run, watched.hear)
        await watched.watch.attend()  # at once: nobody listens
        assert not watched.watch.awake
        first, second = watched.watch.listen(), watched.watch.listen()
        await watched.watch.attend()
        first()
        first()  # said twice is said once
        (tmp_path / "a.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"a"})
        running = threads()
        second()
        assert not watched.watch.awake
        with anyio.fail_after(60):
            while threads() >= running:  # the thread that waited for events is gone
                await anyio.lowlevel.checkpoint()
        (tmp_path / "b.csv").write_text("a\n1\n")
        third = watched.watch.listen()
        await watched.watch.attend()
        (tmp_path / "c.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"c"})  # what happened meanwhile was nobody's
        third()
        group.cancel_scope.cancel()


async def test_without_knowing_what_was_there_the_first_change_may_be_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_SETTLE_SECONDS", 0.0)
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
    watched = Watched((tmp_path,), EVENTS)
    async with anyio.create_task_group() as group:
        group.start_soon(watched.watch.run, watched.hear)
        end = watched.watch.listen()
        span = watched.watch._span
        assert span is not None
        with anyio.fail_after(60):
            await span._armed.wait()
        (tmp_path / "a.csv").write_text("a\n2\n3\n")
        assert await watched.next() == (True, {"a", "b"})
        (tmp_path / "a.csv").write_text("a\n2\n3\n4\n")
        assert await watched.next() == (False, {"a"})
        end()
        group.cancel_scope.cancel()


@pytest.mark.parametrize("problem", [SourceBusyError("The file is locked.", "Try again."), ValueError("of ours")])
async def test_a_failure_is_logged_and_what_it_hid_is_told_later(
    problem: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "_RETRY_SECONDS", 0.01)
    async with watching(tmp_path, how=EVENTS) as watched:
        watched.problems = [problem]
        (tmp_path / "a.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"a"})
    assert "watching" in caplog.text


async def test_files_beside_the_workspace_that_name_tables_are_watched(tmp_path: Path) -> None:
    root, beside = tmp_path / "root", tmp_path / "cache" / "mapped"
    root.mkdir()
    (root / "a.csv").write_text("a\n1\n")
    watched = Watched((root,), EVENTS)
    hidden = Workspace(WorkspaceSettings(roots=(root,)), {"table": {}, "document": {}, "model": {}})

    async def catalogue() -> Catalogue:
        there = any(beside.glob("*.json"))
        return await anyio.to_thread.run_sync((watched.workspace if there else hidden).catalogue)

    watch = Watch(watched.workspace, catalogue, WatchSettings.model_validate(EVENTS), beside=beside)
    async with anyio.create_task_group() as group:
        group.start_soon(watch.run, watched.hear)
        end = watch.listen()
        await watch.attend()
        (beside / "rows.jsonl").write_text("{}\n")
        (beside / "map.json").write_text("{}")
        assert await watched.next() == (True, {"a"})
        os.utime(beside / "map.json", (1, 1))  # that it was used is no change
        (beside / "map.json").unlink()
        assert await watched.next() == (True, {"a"})
        end()
        group.cancel_scope.cancel()


async def test_a_cache_that_cannot_be_written_keeps_nothing_from_being_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "file").write_text("no folder")
    watched = Watched((root,), EVENTS)
    watch = Watch(
        watched.workspace, watched.catalogue, WatchSettings.model_validate(EVENTS), beside=tmp_path / "file" / "mapped"
    )
    async with anyio.create_task_group() as group:
        group.start_soon(watch.run, watched.hear)
        end = watch.listen()
        await watch.attend()
        (root / "a.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"a"})
        end()
        group.cancel_scope.cancel()


async def test_waiting_ends_at_once_when_it_is_cancelled(tmp_path: Path) -> None:
    events = FolderEvents([str(tmp_path)], [str(tmp_path)], lambda _path: True, 10_000)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(events.wait)
            while not events._waiting:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    events.close()


@pytest.mark.parametrize(
    ("value", "forced"), [("", False), ("false", False), ("Disabled", False), ("1", True), ("true", True)]
)
def test_other_programs_variable_for_polling_is_heeded(value: str, forced: bool) -> None:
    assert polling_is_forced({"WATCHFILES_FORCE_POLLING": value}) is forced
    assert not polling_is_forced({})


@pytest.mark.skipif(sys.platform == "win32", reason="paths of Windows")
def test_folders_of_other_machines_are_told_by_their_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = {"/": "ext4", "/home/me/share": "nfs4", "/home/me/share/local": "ext4", "/ssh": "fuse.sshfs", "/d": "9p"}
    found = [SimpleNamespace(mountpoint=place, fstype=kind, opts="rw") for place, kind in mounts.items()]
    monkeypatch.setattr("psutil.disk_partitions", lambda **_all: found)
    local = [Path("/home/me"), Path("/home/me/share/local/docs"), Path("/home/me/shared")]
    assert not are_remote(local)
    for folder in ("/home/me/share", "/home/me/share/docs", "/ssh/x/y", "/d"):
        assert are_remote([*local, Path(folder)])


async def test_folders_of_other_machines_are_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "are_remote", lambda _folders: True)
    monkeypatch.setattr(FolderEvents, "__init__", None)
    async with watching(tmp_path, how={"mode": "auto", "poll_seconds": 0.1}) as watched:
        (tmp_path / "a.csv").write_text("a\n1\n")
        assert await watched.next() == (True, {"a"})


@pytest.mark.parametrize("wrong", [{"debounce_ms": 1}, {"poll_seconds": 0}, {"mode": "sometimes"}, {"poll": 1}])
def test_settings_are_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WatchSettings.model_validate(wrong)
