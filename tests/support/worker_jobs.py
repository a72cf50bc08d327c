"""Jobs that behave badly, for real; importable by the worker processes of the tests."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from mcp_context_resources.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.model_card import ModelCard, UnreadableModel
    from mcp_context_resources.workers.job import Job


def pid(_job: Job) -> int:
    return os.getpid()


def abort(_job: Job) -> None:
    os.abort()


def segfault(_job: Job) -> None:
    ctypes.string_at(0)


def exit_quietly(_job: Job) -> None:
    os._exit(3)


def loop_forever(_job: Job) -> None:
    while True:
        pass


def wait_politely(job: Job, started: str) -> str:
    """Tell that it runs, then wait until it must stop."""
    Path(started).touch()
    while not job.should_stop:
        time.sleep(0.01)
    return "cancelled" if job.cancelled else "expired"


def wait_deafly(_job: Job, started: str) -> None:
    Path(started).touch()
    time.sleep(3600)


def allocate(_job: Job, size: int) -> int:
    return len(bytearray(size))


def grow(_job: Job) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1) * (8 << 20)))


def read_mapped(job: Job, path: str) -> int:
    """Look at every page of a file that stays mapped, then wait until the memory has been looked at."""
    with Path(path).open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        total = sum(memory[at] for at in range(0, len(memory), mmap.PAGESIZE))
        ends = time.monotonic() + 0.5
        while time.monotonic() < ends and not job.should_stop:
            time.sleep(0.01)
        return total + int(psutil.Process().memory_info().rss)


def fail_clearly(_job: Job) -> None:
    raise NotFoundError("There is no such thing.", "Look elsewhere.")


def count(job: Job, upto: int) -> int:
    for done in range(upto + 1):
        job.progress(done, upto)
        time.sleep(0.05)
    return upto


def read(_job: Job, path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def write(_job: Job, path: str) -> None:
    Path(path).write_text("written", encoding="utf-8")


def connect(_job: Job, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def send_datagram(_job: Job, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"secret", ("127.0.0.1", port))


def connect_locally(_job: Job, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def send_over_a_pair(_job: Job, path: str) -> bool:
    """Tell whether a pair of sockets carries data; sending from it to a path must fail."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        os.write(one.fileno(), b"x")
        carried = os.read(other.fileno(), 1) == b"x"
        with contextlib.suppress(PermissionError):
            one.sendmsg([b"secret"], [], 0, path)
            carried = False
        return carried


def start_program(_job: Job) -> int:
    return subprocess.run([sys.executable, "-c", "pass"], check=False).returncode


def environment(_job: Job) -> dict[str, str]:
    return dict(os.environ)


def print_something(_job: Job) -> None:
    os.write(1, b"this must not reach the wire\n")


def cards_unless_fatal(job: Job, files: Sequence[tuple[str, str]]) -> list[ModelCard | UnreadableModel]:
    """Read cards as the real reader does, but end at a file of that name as a bug in it would end it."""
    from mcp_context_resources.models.gguf.card import read_cards

    if any(name == "fatal.gguf" for _, name in files):
        os.abort()
    return read_cards(job, files)
