"""The worker pool against real crashes, hangs and hunger."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import psutil
import pytest

from mcp_context_resources.errors import (
    BusyError,
    DeadlineExceededError,
    NotFoundError,
    OutOfMemoryError,
    WorkerCrashedError,
)
from mcp_context_resources.workers import landlock
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.pool import WorkerPool
from tests.support import worker_jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

JOBS = ("tests.support.worker_jobs",)
ROOT = Path(__file__).parents[2]

enforced = pytest.mark.skipif(landlock.abi_version() < 4, reason="this kernel has no Landlock with network rules")


@pytest.fixture(scope="module")
async def roomy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[WorkerPool, Path]]:
    """A pool whose workers may read one folder, and that folder."""
    folder = tmp_path_factory.mktemp("readable")
    pool = WorkerPool(
        "test", size=2, preload=JOBS, confinement=Confinement(readable=(str(folder),), memory_bytes=1 << 30)
    )
    yield pool, folder
    await pool.aclose()


async def started(flag: Path) -> None:
    with anyio.fail_after(30):
        while not flag.exists():
            await anyio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "says"),
    [(worker_jobs.abort, "SIGABRT"), (worker_jobs.segfault, "SIGSEGV"), (worker_jobs.exit_quietly, "exit code 3")],
)
async def test_a_crash_becomes_an_error_and_the_next_call_works(
    roomy: tuple[WorkerPool, Path], job: Any, says: str
) -> None:
    pool, _ = roomy
    with pytest.raises(WorkerCrashedError, match=says):
        await pool.run(job, deadline=30)
    assert await pool.run(worker_jobs.pid, deadline=30) > 0


@pytest.mark.slow
async def test_a_loop_is_killed_at_its_deadline_and_its_process_is_gone(roomy: tuple[WorkerPool, Path]) -> None:
    pool, _ = roomy
    with pytest.raises(DeadlineExceededError, match=r"0\.2 s"):
        await pool.run(worker_jobs.loop_forever, deadline=0.2)
    assert await pool.run(worker_jobs.pid, deadline=30) > 0


async def test_a_job_that_listens_stops_at_its_deadline_and_keeps_its_process(tmp_path: Path) -> None:
    pool = WorkerPool("test", size=1, preload=JOBS, confinement=Confinement(writable=(str(tmp_path),)))
    try:
        before = await pool.run(worker_jobs.pid, deadline=30)
        assert await pool.run(worker_jobs.wait_politely, str(tmp_path / "on"), deadline=0.2) == "expired"
        assert await pool.run(worker_jobs.pid, deadline=30) == before
    finally:
        await pool.aclose()


@pytest.mark.slow
@pytest.mark.parametrize(("job", "survives"), [(worker_jobs.wait_politely, True), (worker_jobs.wait_deafly, False)])
async def test_a_cancelled_call_stops_its_work_asking_first_and_killing_if_need_be(
    tmp_path: Path, job: Any, survives: bool
) -> None:
    flag = tmp_path / "running"
    pool = WorkerPool("test", size=1, preload=JOBS, confinement=Confinement(writable=(str(tmp_path),)))
    try:
        before = await pool.run(worker_jobs.pid, deadline=30)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: pool.run(job, str(flag), deadline=600))
            await started(flag)
            group.cancel_scope.cancel()
        assert (await pool.run(worker_jobs.pid, deadline=30) == before) is survives
        assert psutil.pid_exists(before) is survives
    finally:
        await pool.aclose()


async def test_one_huge_allocation_is_an_error_that_says_what_to_do(roomy: tuple[WorkerPool, Path]) -> None:
    pool, _ = roomy
    with pytest.raises(OutOfMemoryError) as caught:
        await pool.run(worker_jobs.allocate, 64 << 30, deadline=30)
    assert caught.value.hint
    assert await pool.run(worker_jobs.allocate, 1 << 20, deadline=30) == 1 << 20


async def test_a_worker_that_grows_without_end_is_stopped_by_its_resident_memory() -> None:
    pool = WorkerPool(
        "test", size=1, preload=JOBS, confinement=Confinement(memory_bytes=300 << 20, cap_address_space=False)
    )
    try:
        with pytest.raises(OutOfMemoryError):
            await pool.run(worker_jobs.grow, deadline=60)
        assert await pool.run(worker_jobs.pid, deadline=30) > 0
    finally:
        await pool.aclose()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mapped files are told apart on Linux only")
async def test_of_an_engine_that_maps_files_only_what_it_writes_to_counts(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as handle:
        handle.truncate(400 << 20)
    pool = WorkerPool(
        "test",
        size=1,
        preload=JOBS,
        confinement=Confinement(
            readable=(str(tmp_path),), memory_bytes=300 << 20, cap_address_space=False, cap_data=True
        ),
    )
    try:
        assert await pool.run(worker_jobs.read_mapped, str(file), deadline=60) > 400 << 20
        with pytest.raises(OutOfMemoryError):
            await pool.run(worker_jobs.grow, deadline=60)
        assert await pool.run(worker_jobs.read_mapped, str(file), deadline=60) > 400 << 20
    finally:
        await pool.aclose()


@pytest.mark.slow
async def test_other_calls_go_on_while_one_hangs(roomy: tuple[WorkerPool, Path]) -> None:
    pool, _ = roomy
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: pool.run(worker_jobs.loop_forever, deadline=600))
        await anyio.lowlevel.checkpoint()
        for _ in range(3):
            assert await pool.run(worker_jobs.allocate, 10, deadline=30) == 10
        group.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_call_that_finds_all_workers_busy_for_too_long_is_told_so() -> None:
    pool = WorkerPool("test", size=1, preload=JOBS, confinement=Confinement(), queue_seconds=0.1)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: pool.run(worker_jobs.loop_forever, deadline=600))
            await anyio.lowlevel.checkpoint()
            with pytest.raises(BusyError):
                await pool.run(worker_jobs.pid, deadline=30)
            group.cancel_scope.cancel()
    finally:
        await pool.aclose()


async def test_an_error_of_ours_arrives_whole(roomy: tuple[WorkerPool, Path]) -> None:
    pool, _ = roomy
    with pytest.raises(NotFoundError) as caught:
        await pool.run(worker_jobs.fail_clearly, deadline=30)
    assert (caught.value.message, caught.value.hint) == ("There is no such thing.", "Look elsewhere.")


@pytest.mark.slow
async def test_progress_arrives_and_only_grows(roomy: tuple[WorkerPool, Path]) -> None:
    pool, _ = roomy
    seen: list[tuple[float, float]] = []

    async def note(done: float, total: float) -> None:
        seen.append((done, total))

    assert await pool.run(worker_jobs.count, 20, deadline=30, on_progress=note) == 20
    assert seen
    assert all(total == 20 for _, total in seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


async def test_a_worker_that_cannot_start_is_an_error_not_a_hang() -> None:
    pool = WorkerPool("test", size=1, confinement=Confinement(), preload=("no_such_module_anywhere",))
    try:
        with pytest.raises(WorkerCrashedError):
            await pool.run(worker_jobs.pid, deadline=30)
    finally:
        await pool.aclose()


async def test_a_worker_sees_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    pool = WorkerPool("test", size=1, preload=JOBS, confinement=Confinement())
    try:
        assert "SOME_API_KEY" not in await pool.run(worker_jobs.environment, deadline=30)
    finally:
        await pool.aclose()


async def test_what_a_worker_prints_stays_off_standard_output(
    roomy: tuple[WorkerPool, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    pool, _ = roomy
    await pool.run(worker_jobs.print_something, deadline=30)
    assert "wire" not in capfd.readouterr().out


@enforced
async def test_a_worker_reads_its_folders_only_and_writes_nowhere(
    roomy: tuple[WorkerPool, Path], tmp_path: Path
) -> None:
    pool, folder = roomy
    inside, outside = folder / "inside.txt", tmp_path / "outside.txt"
    inside.write_text("in", encoding="utf-8")
    outside.write_text("out", encoding="utf-8")
    assert await pool.run(worker_jobs.read, str(inside), deadline=30) == "in"
    for job, path in (
        (worker_jobs.read, outside),
        (worker_jobs.read, ROOT / "README.md"),  # its folder is on sys.path
        (worker_jobs.read, Path("/proc/self/environ")),
        (worker_jobs.write, inside),
        (worker_jobs.write, outside),
        (worker_jobs.write, folder / "new.txt"),
    ):
        with pytest.raises(PermissionError):
            await pool.run(job, str(path), deadline=30)
    assert inside.read_text(encoding="utf-8") == "in"
    link = folder / "link.txt"
    link.symlink_to(outside)
    with pytest.raises(PermissionError):
        await pool.run(worker_jobs.read, str(link), deadline=30)


MEASURED = """
import psutil
from mcp_context_resources.workers import landlock
from mcp_context_resources.workers.process import OwnMemory

memory, process = OwnMemory(), psutil.Process()
before = process.memory_info().rss
landlock.restrict(readable=[], writable=[], executable=[])
try:
    process.memory_info()
except psutil.AccessDenied:
    print(0.5 < memory.resident() / before < 2)
"""


@enforced
def test_a_process_that_may_open_nothing_any_more_still_knows_its_memory() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    assert ran.stdout == "True\n"


@enforced
async def test_a_worker_opens_no_connection(roomy: tuple[WorkerPool, Path]) -> None:
    pool, _ = roomy
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PermissionError):
        await pool.run(worker_jobs.connect, server.getsockname()[1], deadline=30)


@enforced
async def test_a_worker_sends_no_datagram_reaches_no_local_socket_and_starts_no_program(
    roomy: tuple[WorkerPool, Path], tmp_path: Path
) -> None:
    pool, _ = roomy
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(socket.AF_UNIX) as listener:
        receiver.bind(("127.0.0.1", 0))
        listener.bind(path)
        listener.listen()
        with pytest.raises(PermissionError):
            await pool.run(worker_jobs.send_datagram, receiver.getsockname()[1], deadline=30)
        with pytest.raises(PermissionError):
            await pool.run(worker_jobs.connect_locally, path, deadline=30)
    with pytest.raises(PermissionError):
        await pool.run(worker_jobs.start_program, deadline=30)


@enforced
async def test_an_engine_that_needs_socket_pairs_reaches_nothing_else_through_them(
    roomy: tuple[WorkerPool, Path], tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    pool = WorkerPool("test", size=1, preload=JOBS, confinement=Confinement(socket_pairs=True))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        try:
            assert await pool.run(worker_jobs.send_over_a_pair, path, deadline=30)
            with pytest.raises(PermissionError):
                await pool.run(worker_jobs.connect_locally, path, deadline=30)
        finally:
            await pool.aclose()
        with pytest.raises(PermissionError):
            await roomy[0].run(worker_jobs.send_over_a_pair, path, deadline=30)


@pytest.mark.slow
async def test_closing_a_pool_ends_the_call_under_way_and_starts_nothing_any_more() -> None:
    for _ in range(4):
        pool = WorkerPool("test", size=2, preload=JOBS, confinement=Confinement())
        await pool.run(worker_jobs.pid, deadline=20)
        ended: list[type[Exception]] = []

        async def call(pool: WorkerPool = pool, ended: list[type[Exception]] = ended) -> None:
            try:
                await pool.run(worker_jobs.loop_forever, deadline=60)
            except Exception as error:  # noqa: BLE001 - which one it is, is asked below
                ended.append(type(error))

        with anyio.fail_after(15):
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                while not any(worker.working for worker in pool._all):
                    await anyio.lowlevel.checkpoint()
                await pool.aclose()
        assert ended == [WorkerCrashedError]
        assert not pool.running


async def test_closing_a_pool_leaves_no_process_behind() -> None:
    pool = WorkerPool("test", size=2, preload=JOBS, confinement=Confinement())
    process = await pool.run(worker_jobs.pid, deadline=30)
    await pool.aclose()
    assert not psutil.pid_exists(process) or sys.platform == "win32"


@pytest.mark.slow
async def test_while_a_call_takes_long_another_process_is_started_for_the_next_one(tmp_path: Path) -> None:
    pool = WorkerPool("spare", size=2, preload=JOBS, confinement=Confinement(writable=(str(tmp_path),)))
    flag = tmp_path / "started"
    before = len(psutil.Process().children())
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: pool.run(worker_jobs.wait_politely, str(flag), deadline=60))
        await started(flag)
        with anyio.fail_after(30):
            while len(psutil.Process().children()) < before + 2:
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert await pool.run(worker_jobs.pid, deadline=30) > 0
    await pool.aclose()
