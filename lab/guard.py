"""A lab that ends with the process that made it, however that process ends.

`python -m lab.guard` waits for its standard input to close and takes the lab down: a kill -9 of the
one who holds the other end closes it too.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import lifecycle
from lab.description import LabDescription, LabSettings
from lab.story import Story

_SOURCE = Path(__file__).resolve().parent.parent
_DOWN_SECONDS = 120


@contextmanager
def lab(settings: LabSettings, story: Story) -> Iterator[LabDescription]:
    """A lab for the time of a `with` block; the settings are those of the environment."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "lab.guard"],
        stdin=subprocess.PIPE,
        cwd=_SOURCE,
        start_new_session=True,  # Ctrl-C is meant for the one who holds the pipe
    )
    try:
        yield lifecycle.up(settings, story)
    finally:
        if watcher.stdin:
            watcher.stdin.close()
        watcher.wait(timeout=_DOWN_SECONDS)


def main() -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    while os.read(0, 1024):
        pass
    lifecycle.down(LabSettings())


if __name__ == "__main__":
    main()
