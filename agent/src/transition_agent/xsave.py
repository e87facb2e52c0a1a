"""Size of the CPU's extended state (XSAVE area), which a restore must be able to hold.

The kernel tells it to a tracer: the size of the register set NT_X86_XSTATE of a child process is
what `cpuid` says of the features that the kernel has switched on. That needs no library, no
`/dev/cpu` and no machine code in memory; only the right to trace an own child.
"""

import ctypes
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_PTRACE_GETREGSET = 0x4204
_PTRACE_SEIZE = 0x4206
_PTRACE_INTERRUPT = 0x4207
_NT_X86_XSTATE = 0x202
_WAIT_ALL = 0x40000000
_ROOM_BYTES = 64 * 1024
"""Several times what the widest processors of today need (AMX: 11 KB)."""


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def xsave_size_bytes() -> int | None:
    """None on other architectures, and where tracing is not allowed (seccomp, Yama)."""
    if platform.machine() != "x86_64":
        return None
    try:
        with _traced_child() as pid:
            return _register_set_bytes(pid)
    except OSError:
        return None


@contextmanager
def _traced_child() -> Iterator[int]:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        try:
            # Not PTRACE_ATTACH: its SIGSTOP can come after the end of exec, and stay for good.
            _ptrace(_PTRACE_SEIZE, child.pid)
            _ptrace(_PTRACE_INTERRUPT, child.pid)
            os.waitpid(child.pid, _WAIT_ALL)
            yield child.pid
        finally:
            child.kill()


def _register_set_bytes(pid: int) -> int:
    room = ctypes.create_string_buffer(_ROOM_BYTES)
    area = _IoVec(ctypes.addressof(room), _ROOM_BYTES)
    _ptrace(_PTRACE_GETREGSET, pid, _NT_X86_XSTATE, ctypes.addressof(area))
    return int(area.length)


def _ptrace(request: int, pid: int, address: int = 0, content: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    if libc.ptrace(request, pid, address, content) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
