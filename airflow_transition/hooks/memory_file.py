"""Secrets that a library takes by path only, in files that are nowhere on disk."""

import os
import weakref


def memory_file(text: str, *, lives_with: object) -> str:
    """Path of an anonymous file in memory that holds `text`, for this process and its forks.

    It ends with `lives_with`, or with the process however that ends: a temporary file stays behind
    when a worker is killed, and a task's process ends without running exit handlers.
    """
    descriptor = os.memfd_create("transition")
    weakref.finalize(lives_with, os.close, descriptor)
    os.fchmod(descriptor, 0o400)
    left = text.encode()
    while left:
        left = left[os.write(descriptor, left) :]
    return f"/proc/self/fd/{descriptor}"
