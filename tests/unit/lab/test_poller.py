"""The client against an application that moves, freezes, is cloned and comes back."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.ledger import Report
from lab.poller import Poller

PATIENCE_SECONDS = 20


class App:
    """One running copy, with what it holds in memory."""

    def __init__(self, *, identity: str = "one", counter: int = 0) -> None:
        self.identity, self.counter = identity, counter

    def answer(self) -> dict[str, object]:
        self.counter += 1
        return {"id": self.identity, "counter": self.counter, "position": 1, "heap_bytes": 0}


class Cluster:
    """An address where a copy may run; without one a connection ends without an answer."""

    def __init__(self) -> None:
        self.app: App | None = None
        self.connections = 0
        self.thawed = threading.Event()
        self.thawed.set()
        self.url = ""


@contextmanager
def serve(cluster: Cluster) -> Iterator[Cluster]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            cluster.connections += 1
            super().setup()

        def do_GET(self) -> None:
            cluster.thawed.wait(PATIENCE_SECONDS)
            if cluster.app is None:
                self.close_connection = True
                return
            content = json.dumps(cluster.app.answer()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client gave up on a frozen copy
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        cluster.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield cluster
        finally:
            cluster.thawed.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def azure() -> Iterator[Cluster]:
    with serve(Cluster()) as cluster:
        yield cluster


@pytest.fixture
def aws() -> Iterator[Cluster]:
    with serve(Cluster()) as cluster:
        yield cluster


@pytest.fixture
def poller(azure: Cluster, aws: Cluster) -> Iterator[Poller]:
    with Poller({"azure": azure.url, "aws": aws.url}) as poller:
        yield poller


def eventually(poller: Poller, claim: Callable[[Report], bool]) -> Report:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim(report := poller.report()):
        assert time.monotonic() < deadline, report
        time.sleep(0.01)
    return report


def test_a_move_is_seen_with_its_downtime(poller: Poller, azure: Cluster, aws: Cluster) -> None:
    app = azure.app = App()
    eventually(poller, lambda report: report.answers >= 5)
    azure.app = None
    before = eventually(poller, lambda report: "azure: RemoteDisconnected" in report.failures)
    aws.app = app
    report = eventually(poller, lambda report: report.answered_by == "aws")
    assert report.problems == ()
    (switch,) = report.switches
    assert before.longest_gap is not None
    assert switch.waited_seconds >= before.longest_gap.seconds - 0.1
    assert switch.counter_after > switch.counter_before


def test_connections_are_kept(poller: Poller, azure: Cluster) -> None:
    azure.app = App()
    eventually(poller, lambda report: report.answers >= 10)
    assert azure.connections <= 2


def test_a_clone_that_runs_beside_is_found(poller: Poller, azure: Cluster, aws: Cluster) -> None:
    azure.app = App()
    eventually(poller, lambda report: report.answers >= 3)
    aws.app = App(counter=azure.app.counter)
    report = eventually(poller, lambda report: bool(report.problems))
    assert "before" in report.problems[0] or "two copies" in report.problems[0]


def test_a_frozen_copy_is_waited_for_and_the_other_address_still_asked(
    poller: Poller, azure: Cluster, aws: Cluster
) -> None:
    app = azure.app = App()
    eventually(poller, lambda report: report.answers >= 3)
    azure.thawed.clear()
    eventually(poller, lambda report: "azure: TimeoutError" in report.failures)
    azure.app = None
    aws.app = app
    report = eventually(poller, lambda report: report.answers_by_cluster.get("aws", 0) >= 3)
    assert report.problems == ()


def test_what_is_no_answer_of_the_application_is_counted_as_none(
    poller: Poller, azure: Cluster
) -> None:
    class Other(App):
        def answer(self) -> dict[str, object]:
            return {"error": "no such service"}

    azure.app = Other()
    reason = "azure: not the application's answer"
    report = eventually(poller, lambda report: report.failures.get(reason, 0) > 2)
    assert report.answers == 0


@pytest.mark.parametrize(("identity", "status"), [("one", 0), ("two", 1)])
def test_a_process_of_its_own_leaves_a_report_and_the_verdict(
    identity: str, status: int, azure: Cluster, tmp_path: Path
) -> None:
    azure.app = App()
    command = ["-m", "lab.poller", "--report", "report.json", "--record", "answers"]
    client = subprocess.Popen(
        [sys.executable, *command, f"azure={azure.url}"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while azure.app.counter < 5:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        azure.app = App(identity=identity, counter=azure.app.counter)
        while azure.app.counter < 10:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        client.send_signal(signal.SIGTERM)
        assert client.wait(PATIENCE_SECONDS) == status
    finally:
        client.kill()
        client.wait()
    report = Report.model_validate_json((tmp_path / "report.json").read_text())
    answers = (tmp_path / "answers").read_text().splitlines()
    assert len(answers) == report.answers
    assert json.loads(answers[0])["counter"] == report.first_counter
