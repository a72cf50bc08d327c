"""Confinement: how a worker process limits itself before it touches a stranger's bytes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import sysconfig
from dataclasses import dataclass
from multiprocessing import parent_process
from typing import TYPE_CHECKING, Final

import mcp_context_resources
from mcp_context_resources.workers import landlock, seccomp

if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_PDEATHSIG: Final = 1
_ADDRESSES_PER_BYTE: Final = 2
# What the engines and the C library look up while they work; nothing personal among them.
_SYSTEM_FILES: Final = (
    "/dev/null",
    "/dev/urandom",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/cpuinfo",
    "/proc/meminfo",
    *(f"/proc/self/{name}" for name in ("cgroup", "maps", "mountinfo", "stat", "statm", "status")),
    "/proc/stat",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/usr/share/zoneinfo",
)
_SYSTEM_LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/cuda", "/nix/store")
_GPU_DEVICES: Final = ("/dev/dri", "/dev/kfd", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")
_KEPT_ENVIRONMENT: Final = ("LANG", "LC_", "TZ", "OPENBLAS_", "OMP_", "GGML_", "CUDA_", "HIP_", "SYSTEMROOT", "TMP")


@dataclass(frozen=True, slots=True)
class Confinement:
    """Limits of one kind of worker.

    `readable` and `writable` are absolute folders or files; `memory_bytes` caps resident memory on every system
    and, where `cap_address_space` is set and the system is Linux, twice that the address space, which turns a single
    huge allocation into an error instead of a dead machine. `cap_data` caps there what a process can write to instead,
    and mapped files don't count: for an engine that maps large ones, or reserves many more addresses than it uses, or
    holds Python's lock while it works. `gpu_when`
    names a function (`module:name`) that tells, once the engine is imported, whether it will use a graphics processor.
    `socket_pairs` is for engines that wake their own threads over such a pair, which reaches nothing outside.
    """

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    memory_bytes: int = 2 << 30
    cap_address_space: bool = True
    cap_data: bool = False
    gpu_when: str = ""
    socket_pairs: bool = False

    def apply(self) -> bool:
        """Limit the current process, for good. Returns whether the system enforces the folder limits."""
        _keep_environment()
        _detach_standard_streams()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a busy native call never returns to a Python handler
        if sys.platform == "linux":
            _die_with_parent()
        if sys.platform != "win32":
            self._limit_resources()
        gpu = self._uses_gpu()
        if not gpu:  # the drivers of graphics processors talk over sockets
            seccomp.refuse_needless_calls(socket_pairs=self.socket_pairs)
        return landlock.restrict(
            readable=(*_SYSTEM_FILES, *self.readable),
            writable=(*self.writable, *(_GPU_DEVICES if gpu else ())),
            executable=(*_SYSTEM_LIBRARIES, *_python_folders()),
        )

    def _uses_gpu(self) -> bool:
        module, _, function = self.gpu_when.partition(":")
        return bool(module) and bool(getattr(importlib.import_module(module), function)())

    def _limit_resources(self) -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self.cap_address_space and sys.platform == "linux":
            # Addresses are reserved in larger pieces than are used; what is used is watched.
            addresses = self.memory_bytes * _ADDRESSES_PER_BYTE
            resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))
        if self.cap_data and sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_DATA, (self.memory_bytes, self.memory_bytes))


def _python_folders() -> Iterator[str]:
    """Name the folders of the interpreter, its libraries and this package; never `sys.path`, which may hold `/`."""
    yield sys.prefix
    yield sys.base_prefix
    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        if folder := sysconfig.get_path(name):
            yield folder
    yield from mcp_context_resources.__path__


def _keep_environment() -> None:
    for name in list(os.environ):
        if not name.startswith(_KEPT_ENVIRONMENT):
            del os.environ[name]


def _detach_standard_streams() -> None:
    """Let go of standard input and output: they may be the protocol's pipes."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)


def _die_with_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = parent_process()
    if parent is not None and os.getppid() != parent.pid:  # it died while the engine was being imported
        os._exit(1)
