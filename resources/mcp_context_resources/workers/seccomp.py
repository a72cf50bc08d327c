"""Seccomp filter (Linux): system calls that no engine needs are refused, sockets, programs, tracing.

Landlock knows folders and TCP; datagrams, local sockets and starting programs are refused here. The interface is that
of seccomp(2) and `linux/filter.h`; refused calls fail with EPERM, so they become a `PermissionError`.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_SET_MODE_FILTER: Final = 1
_ALL_THREADS: Final = 1  # SECCOMP_FILTER_FLAG_TSYNC

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_KILL: Final = 0x80000000
_OFFSET_NUMBER: Final = 0  # of struct seccomp_data
_OFFSET_ARCHITECTURE: Final = 4
_X32_BIT: Final = 0x40000000


@dataclass(frozen=True, slots=True)
class _Architecture:
    """System call numbers of one processor family; `audit` is its AUDIT_ARCH constant."""

    audit: int
    seccomp: int
    refused: tuple[int, ...]


# In this order: socket, socketpair, bind, connect, sendto, execve, execveat, ptrace, process_vm_readv,
# process_vm_writev, io_uring_setup, bpf, userfaultfd, perf_event_open, add_key, request_key, keyctl, mount, unshare,
# setns, open_by_handle_at, pidfd_getfd, sendmsg, sendmmsg.
_SOCKETPAIR: Final = 1  # its place in this order
_ARCHITECTURES: Final = {
    "x86_64": _Architecture(
        0xC000003E,
        317,
        (
            41,
            53,
            49,
            42,
            44,
            59,
            322,
            101,
            310,
            311,
            425,
            321,
            323,
            298,
            248,
            249,
            250,
            165,
            272,
            308,
            304,
            438,
            46,
            307,
        ),
    ),
    "aarch64": _Architecture(
        0xC00000B7,
        277,
        (
            198,
            199,
            200,
            203,
            206,
            221,
            281,
            117,
            270,
            271,
            425,
            280,
            282,
            241,
            217,
            218,
            219,
            40,
            97,
            268,
            265,
            438,
            211,
            269,
        ),
    ),
}


def refuse_needless_calls(*, socket_pairs: bool = False) -> bool:
    """Refuse the calls above for all threads of this process, for good; `socket_pairs` spares `socketpair`.

    Returns whether the kernel enforces it; False on other systems, processors and kernels without seccomp.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or architecture is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    instructions = _program(architecture, socket_pairs=socket_pairs)
    code = ctypes.create_string_buffer(b"".join(instructions))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(code)))
    result: int = libc.syscall(architecture.seccomp, _SET_MODE_FILTER, _ALL_THREADS, program)
    return result == 0


def _program(architecture: _Architecture, *, socket_pairs: bool) -> list[bytes]:
    program = [
        _instruction(_LOAD, _OFFSET_ARCHITECTURE),
        _instruction(_JUMP_IF_EQUAL, architecture.audit, if_true=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _OFFSET_NUMBER),
        # x86-64 has a second numbering of all calls behind this bit; nothing uses it.
        _instruction(_JUMP_IF_AT_LEAST, _X32_BIT, if_false=1),
        _instruction(_RETURN, _REFUSE),
    ]
    for position, number in enumerate(architecture.refused):
        if socket_pairs and position == _SOCKETPAIR:
            continue
        program += [_instruction(_JUMP_IF_EQUAL, number, if_false=1), _instruction(_RETURN, _REFUSE)]
    return [*program, _instruction(_RETURN, _ALLOW)]


def _instruction(code: int, operand: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
