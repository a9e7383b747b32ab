"""Lets the kernel kill this process, as SIGKILL does, at the entry of the next rename that any of its threads makes.

A MergeTree makes a part visible by renaming its folder, after it wrote the block's token down: so this is the place
to die at with a token and without its rows. seccomp needs no tool to be installed; Linux on x86-64 and arm64 have it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import Final

_RENAMES: Final = {"x86_64": (82, 264, 316), "aarch64": (38, 276)}
"""rename, renameat, renameat2, as far as the machine has them."""
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_NO_NEW_PRIVILEGES: Final = 38
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL_PROCESS, _ALLOW = 0x80000000, 0x7FFF0000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def die_at_the_next_rename() -> None:
    """From now on. Raises `OSError` where the kernel refuses."""
    machine = platform.machine()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    code = _program(_RENAMES[machine])
    program = _Program(len(code) // 8, code)
    if libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _program(numbers: tuple[int, ...]) -> bytes:
    """Classic BPF: the number of the system call, compared with each of `numbers`."""
    steps = [(_LOAD, 0, 0, 0)]
    for at, number in enumerate(numbers):
        steps.append((_JUMP_IF_EQUAL, len(numbers) - at, 0, number))
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _KILL_PROCESS)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
