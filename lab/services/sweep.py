"""Runs as `python -m lab.services.sweep FOLDER`: waits for its standard input to end, then sweeps.

Whoever starts services for a while (a test run) holds the other end. However it ends, be it by a
kill, the pipe closes, and everything in its state folders is stopped and removed.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from lab.services.daemon import daemons
from lab.services.s3_server import remove_sockets


def sweep(folder: Path) -> None:
    """Stop everything that runs on the state folders in this one, and remove it."""
    for state in folder.iterdir():
        for daemon in daemons(state):
            daemon.kill()
        remove_sockets(state)
    shutil.rmtree(folder)


def main() -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # meant for the one that holds the pipe
    while os.read(0, 1024):
        pass
    sweep(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
