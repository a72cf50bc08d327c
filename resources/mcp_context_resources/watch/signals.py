"""Signals that it is time to look again: events of the system, or the clock where those can't be relied on."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

LOOK_ANYWAY_SECONDS: Final = 300.0
"""Even where events come, it is looked so often: not every change of a disk makes one."""

_LONGEST_WAITS: Final = 10
# There a folder is watched with all below it at no cost; on Linux every folder in it would cost, ignored ones too.
_RECURSIVE: Final = sys.platform in ("darwin", "win32")


class Signal(Protocol):
    """Waits until there may be something new."""

    async def wait(self) -> bool:
        """Return when it is time to look; True says that what is waited for must be set up anew."""

    def close(self) -> None:
        """Wait no more."""


class Clock:
    """Says that it is time again and again; `anew`, that something better may be set up by then."""

    def __init__(self, seconds: float, *, anew: bool = False) -> None:
        self._seconds = seconds
        self._anew = anew

    async def wait(self) -> bool:
        """Let the time pass."""
        await anyio.sleep(self._seconds)
        return self._anew

    def close(self) -> None:
        """Nothing is held."""


class FolderEvents:
    """Hears from the system what happens in `folders`, and in nothing below those that isn't one of them itself.

    Of paths that don't `matter` nothing is told. Events that come within `quiet_ms` of each other are one signal; while
    they don't end, there is one every ten times as long.

    Raises `OSError` or `RuntimeError` where the system can't watch so many folders or any. Blocking when made.
    """

    def __init__(
        self, folders: Sequence[str], recursive_over: Sequence[str], matters: Callable[[Path], bool], quiet_ms: int
    ) -> None:
        from watchfiles._rust_notify import RustNotify

        self._folders = frozenset(folders)
        self._matters = matters
        self._quiet_ms = quiet_ms
        self._stop = threading.Event()
        self._waiting = False
        self._limiter = anyio.CapacityLimiter(1)
        paths = [*recursive_over] if _RECURSIVE else [*folders]
        self._system = RustNotify(paths, False, False, 0, _RECURSIVE, True)

    async def wait(self) -> bool:
        """Wait for an event that matters, True for one of a watched folder itself; or for five minutes."""
        try:
            return await anyio.to_thread.run_sync(self._wait, abandon_on_cancel=True, limiter=self._limiter)
        except anyio.get_cancelled_exc_class():
            self._stop.set()
            raise

    def close(self) -> None:
        """Let go of the folders; a thread that still waits does so itself, within `quiet_ms`."""
        self._stop.set()
        if not self._waiting:
            self._release()

    def _wait(self) -> bool:
        self._waiting = True
        try:
            while True:
                told = self._system.watch(
                    _LONGEST_WAITS * self._quiet_ms, self._quiet_ms, int(LOOK_ANYWAY_SECONDS * 1000), self._stop
                )
                if isinstance(told, str):
                    return False
                paths = [path for _, path in told]
                if any(path in self._folders for path in paths):
                    return True
                if any(map(self._is_told, paths)):
                    return False
        finally:
            self._waiting = False
            if self._stop.is_set():
                self._release()

    def _is_told(self, name: str) -> bool:
        path = Path(name)
        if _RECURSIVE and str(path.parent) not in self._folders:
            return False
        return self._matters(path) or path.is_dir()

    def _release(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is being closed already
            self._system.close()


# What another machine, or the host of a virtual one, does in these is not told here.
_REMOTE: Final = frozenset(
    "9p acfs afpfs afs beegfs ceph cifs davfs drvfs fakeowner gfs2 glusterfs grpcfuse lustre ncpfs nfs nfs4 ocfs2"
    " prl_fs smb2 smb3 smbfs vboxsf virtiofs vmhgfs webdav".split()
)
_FORCED: Final = "WATCHFILES_FORCE_POLLING"
_NOT_FORCED: Final = ("", "false", "disable", "disabled")


def polling_is_forced(environ: Mapping[str, str]) -> bool:
    """Tell whether the variable with which other programs are made to poll is set (`WATCHFILES_FORCE_POLLING`)."""
    return environ.get(_FORCED, "").lower() not in _NOT_FORCED


def are_remote(folders: Iterable[Path]) -> bool:
    """Tell whether any of these folders lies on a network or shared file system. Blocking, though hardly ever long."""
    import psutil

    try:
        mounts = {mount.mountpoint: mount for mount in psutil.disk_partitions(all=True)}
    except (OSError, RuntimeError):
        return False
    for folder in folders:
        found = (mounts[str(place)] for place in (folder, *folder.parents) if str(place) in mounts)
        mount = next(found, None)
        if mount is not None and _is_remote(mount.fstype.lower(), mount.opts):
            return True
    return False


def _is_remote(kind: str, options: str) -> bool:
    return kind in _REMOTE or kind.startswith("fuse.") or "remote" in options.split(",")
