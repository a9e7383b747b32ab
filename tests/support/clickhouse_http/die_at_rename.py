"""Let the kernel kill this process (SIGKILL) at the entry of its n-th rename.

A MergeTree writes the block's token before it renames the folder of the part: a crash between the two keeps the
token without its rows. seccomp requires no tools and is available on Linux (x86-64 and arm64).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import signal
import struct
import threading
from typing import Final

_RENAMES: Final = {"x86_64": (82, 264, 316), "aarch64": (38, 276)}
"""Numbers of rename, renameat and renameat2, if the architecture has them."""
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_NO_NEW_PRIVILEGES: Final = 38
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL_PROCESS, _ASK, _ALLOW = 0x80000000, 0x7FC00000, 0x7FFF0000
# With a listener, threads that cannot receive the filter cause an error (seccomp(2), Linux 5.7).
_ALL_THREADS_AND_ASK_US: Final = 1 | 8 | 16
_RECEIVE, _ANSWER, _GO_ON = 0xC0502100, 0xC0182101, 1
"""Of `struct seccomp_notif` (80 bytes) and `seccomp_notif_resp` (24): ioctl numbers, and the flag of the answer."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def die_at_rename(number: int = 1) -> None:
    """Kill the process at its `number`-th rename. Raises `OSError` if the kernel rejects the filter."""
    if number == 1:
        _install(_KILL_PROCESS, _ALL_THREADS)
        return
    # The filter cannot count, so the kernel notifies a thread of ours before each rename.
    listener = _install(_ASK, _ALL_THREADS_AND_ASK_US)
    threading.Thread(target=_count, args=(listener, number), daemon=True, name="counts-renames").start()


def _count(listener: int, number: int) -> None:
    """Allow `number - 1` renames, and kill the process before the next one."""
    for _ in range(number - 1):
        asked = bytearray(80)
        fcntl.ioctl(listener, _RECEIVE, asked)
        (asker,) = struct.unpack_from("Q", asked)
        fcntl.ioctl(listener, _ANSWER, struct.pack("QqiI", asker, 0, 0, _GO_ON))
    fcntl.ioctl(listener, _RECEIVE, bytearray(80))
    os.kill(os.getpid(), signal.SIGKILL)


def _install(verdict: int, flags: int) -> int:
    machine = platform.machine()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    code = _program(_RENAMES[machine], verdict)
    program = _Program(len(code) // 8, code)
    answer: int = libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, flags, ctypes.byref(program))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def _program(numbers: tuple[int, ...], verdict: int) -> bytes:
    """Return a classic BPF program that compares the system call number with each of `numbers`."""
    steps = [(_LOAD, 0, 0, 0)]
    for at, number in enumerate(numbers):
        steps.append((_JUMP_IF_EQUAL, len(numbers) - at, 0, number))
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, verdict)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
