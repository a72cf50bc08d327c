"""Landlock (Linux): the current process confined to some folders, by its three system calls.

The kernel interface is documented in the Linux userspace API guide, "Landlock: unprivileged access control"
(https://docs.kernel.org/userspace-api/landlock.html); constants are those of `linux/landlock.h`.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# landlock_create_ruleset, landlock_add_rule, landlock_restrict_self have one number on every architecture.
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_RULE_PATH_BENEATH: Final = 1
_CREATE_RULESET_VERSION: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_MAKE_CHAR: Final = 1 << 6
_MAKE_BLOCK: Final = 1 << 11
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14
_IOCTL_DEV: Final = 1 << 15
_FS_ABI_1: Final = (1 << 13) - 1
_NET_BIND_AND_CONNECT_TCP: Final = 0b11
_SCOPE_ABSTRACT_UNIX_SOCKET_AND_SIGNAL: Final = 0b11

_READ: Final = _READ_FILE | _READ_DIR
_FILE_RIGHTS: Final = _READ_FILE | _WRITE_FILE | _EXECUTE | _TRUNCATE


def abi_version() -> int:
    """Landlock's ABI version in the running kernel; 0 where there is none (other systems included)."""
    if sys.platform != "linux":
        return 0
    version: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)
    return max(version, 0)


def restrict(*, readable: Iterable[str], writable: Iterable[str], executable: Iterable[str]) -> bool:
    """Deny this thread, and all it starts, every file outside the given folders and every TCP connection.

    `executable` folders may be read and mapped as code, `writable` ones read and written. Folders that don't
    exist are passed over. Returns whether the kernel enforces it. Raises `OSError` when a rule is rejected.
    """
    abi = abi_version()
    if abi < 1:
        return False
    handled = _FS_ABI_1 | (_REFER if abi >= 2 else 0) | (_TRUNCATE if abi >= 3 else 0) | (_IOCTL_DEV if abi >= 5 else 0)
    ruleset = _create_ruleset(abi, handled)
    try:
        write = handled & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK)
        for folders, rights in ((readable, _READ), (writable, write), (executable, _READ | _EXECUTE)):
            for folder in folders:
                _allow(ruleset, folder, rights & handled)
        _checked(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_libc().syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _create_ruleset(abi: int, handled: int) -> int:
    net = _NET_BIND_AND_CONNECT_TCP if abi >= 4 else 0
    scoped = _SCOPE_ABSTRACT_UNIX_SOCKET_AND_SIGNAL if abi >= 6 else 0
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = struct.pack("=QQQ", handled, net, scoped)[:size]
    return _checked(_libc().syscall(_CREATE_RULESET, ctypes.c_char_p(attributes), ctypes.c_size_t(size), 0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, handle)
        _checked(_libc().syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0))
    finally:
        os.close(handle)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
