"""The demo's client: asks the application every 50 ms wherever it may run, and believes nothing.

In a process of its own: `python -m lab.poller --report FILE CLUSTER=URL...` until SIGTERM; the exit
status is 1 when the application broke its word (see `lab.ledger`). Inside one: `with Poller(...)`.
"""

import argparse
import json
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

from lab.ledger import Answer, Change, Ledger, Report
from lab.netns import enter

INTERVAL = timedelta(milliseconds=50)
# Short, so that an address whose packets are dropped is asked again soon after its door opens.
_CONNECT_SECONDS = 0.25
_ANSWER_SECONDS = 1.0
_MAX_ANSWER_BYTES = 1 << 16


class RefusedError(Exception):
    """Something answered, but not the application; the message is the reason, for counting."""


class Poller:
    """One thread per address, so that a silent cluster does not delay what the other one says."""

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        inside: Mapping[str, str] | None = None,
        moves: int = 1,
        interval: timedelta = INTERVAL,
        record: IO[str] | None = None,
    ) -> None:
        """`urls` by cluster; `record` gets each answer as a line of JSON.

        `inside`: network namespaces by cluster, each with a client of its own, who still reaches
        the cluster when nobody else does.
        """
        self._ledger = Ledger(moves=moves)
        self._record = record
        self._interval_seconds = interval.total_seconds()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        clients: list[tuple[str, str, str | None]] = [
            (cluster, url, None) for cluster, url in urls.items()
        ]
        clients += [(cluster, urls[cluster], netns) for cluster, netns in (inside or {}).items()]
        self._threads = [
            threading.Thread(target=self._poll, args=each, name=f"poll-{each[0]}", daemon=True)
            for each in clients
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def report(self) -> Report:
        """What it knows by now; it may be asked at any time."""
        with self._lock:
            return self._ledger.report(monotonic=time.monotonic())

    def expect(self, change: Change) -> None:
        """See `Ledger.expect`."""
        with self._lock:
            self._ledger.expect(change)

    def promise(self, counter: int) -> None:
        """See `Ledger.promise`."""
        with self._lock:
            self._ledger.promise(counter)

    def _poll(self, cluster: str, url: str, netns: str | None) -> None:
        if netns:
            enter(netns)
        connection = HTTPConnection(urlsplit(url).netloc, timeout=_CONNECT_SECONDS)
        path = urlsplit(url).path or "/"
        due = time.monotonic()
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - self._interval_seconds) + self._interval_seconds
            try:
                self._take(ask(connection, cluster=cluster, path=path, client=netns or ""))
            except RefusedError as error:
                self._fail(f"{cluster}: {error}")
            except (OSError, HTTPException) as error:
                connection.close()
                self._fail(f"{cluster}: {type(error).__name__}")
        connection.close()

    def _take(self, answer: Answer) -> None:
        with self._lock:
            self._ledger.take(answer)
            if self._record:
                line = {name: getattr(answer, name) for name in Answer.__slots__}
                self._record.write(json.dumps(line, default=str) + "\n")

    def _fail(self, reason: str) -> None:
        with self._lock:
            self._ledger.fail(reason)


def ask(connection: HTTPConnection, *, cluster: str, path: str, client: str = "") -> Answer:
    """One question over a connection that stays open; OSError and RefusedError say why none."""
    if connection.sock is None:
        _connect(connection)
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read(_MAX_ANSWER_BYTES)
    if response.status != HTTPStatus.OK:
        raise RefusedError(f"HTTP {response.status}")
    try:
        state = json.loads(content)
        return Answer(
            cluster=cluster,
            id=str(state["id"]),
            counter=int(state["counter"]),
            position=int(state["position"]),
            monotonic=time.monotonic(),
            wall=datetime.now(UTC),
            client=client,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError("not the application's answer") from error


def _connect(connection: HTTPConnection) -> None:
    connection.connect()
    connection.sock.settimeout(_ANSWER_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.poller", description=__doc__)
    parser.add_argument("--report", type=Path, required=True, help="JSON, written at the end")
    parser.add_argument("--record", type=Path, help="each answer as a line of JSON")
    parser.add_argument("--moves", type=int, default=1, help="moves that are expected")
    parser.add_argument("urls", nargs="+", metavar="CLUSTER=URL")
    chosen = parser.parse_args()
    ending = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ending.set())
    urls = dict(url.split("=", maxsplit=1) for url in chosen.urls)
    recorded = chosen.record.open("w") if chosen.record else nullcontext()
    with recorded as record, Poller(urls, moves=chosen.moves, record=record) as poller:
        ending.wait()
    report = poller.report()
    chosen.report.write_text(report.model_dump_json(indent=2) + "\n")
    return 1 if report.problems or not report.answers else 0


if __name__ == "__main__":
    raise SystemExit(main())
