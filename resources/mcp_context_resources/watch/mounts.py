"""Folders for which the system sends no events, or not of every change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

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
