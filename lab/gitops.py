"""The lab's GitOps engine: one process per cluster makes its API server have what Git says.

As Argo CD does without self-heal, it applies when the commit changed or when it is told to
(`sync`), and removes what it applied before and no longer finds. What others change meanwhile is
left alone: server-side apply owns only the fields that the manifests name.

Runs as `python -m lab.gitops FILE`.
"""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

from lab.description import LabDescription, write_private
from lab.reconciler import GitOpsSettings, GitOpsStatus, Reconciler
from lab.services.daemon import PROBE_INTERVAL, Daemon, DaemonError

_SOURCE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class GitOpsLoop:
    """The process: every call works from anywhere, by its pid file."""

    settings: GitOpsSettings
    state: Path
    netns: str | None = None

    @property
    def daemon(self) -> Daemon:
        return Daemon(f"gitops-{self.settings.cluster}", state=self.state, netns=self.netns)

    def start(self) -> None:
        self.settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self.settings.folder / "settings.json"
        write_private(file, content=self.settings.model_dump_json())
        self.daemon.start(
            [sys.executable, "-m", "lab.gitops", str(file)],
            environment={"PYTHONPATH": str(_SOURCE)},
        )

    def ready(self) -> bool:
        """It runs, and has brought the newest commit that it saw to the cluster."""
        status = self.status()
        return status is not None and status.pid == self.daemon.pid() and status.error is None

    def wait_ready(self, *, patience: timedelta = timedelta(seconds=30)) -> None:
        deadline = time.monotonic() + patience.total_seconds()
        while not self.ready():
            if self.daemon.pid() is None or time.monotonic() > deadline:
                raise DaemonError(
                    f"{self.daemon.name} is not ready after {patience}: {self.status()}; "
                    f"its log:\n{self.daemon.log_tail()}"
                )
            time.sleep(PROBE_INTERVAL.total_seconds())

    def status(self) -> GitOpsStatus | None:
        try:
            return GitOpsStatus.model_validate_json(self.settings.status_file.read_bytes())
        except FileNotFoundError:
            return None

    def sync(self) -> None:
        """Apply the newest commit now, even if it was applied before."""
        if (pid := self.daemon.pid()) is None:
            raise DaemonError(f"{self.daemon.name} does not run")
        os.kill(pid, signal.SIGUSR1)

    def stop(self) -> None:
        self.daemon.stop(patience=timedelta(seconds=5))

    def kill(self) -> None:
        self.daemon.kill()


def gitops_loops(lab: LabDescription) -> tuple[GitOpsLoop, ...]:
    """One for each cluster of the lab, in the services' namespace; none is started by this."""
    return tuple(
        GitOpsLoop(
            settings=GitOpsSettings(
                cluster=name,
                repository=lab.git.repositories[name],
                username=lab.git.username,
                password=lab.git.password,
                api_url=cluster.api_url,
                token=cluster.token,
                ca_file=lab.ca_file,
                folder=lab.state / f"gitops-{name}",
            ),
            state=lab.state,
            netns=lab.services_netns,
        )
        for name, cluster in lab.clusters.items()
    )


def main() -> None:
    settings = GitOpsSettings.model_validate_json(Path(sys.argv[1]).read_bytes())
    wake, sync, ending = threading.Event(), threading.Event(), threading.Event()

    def note(number: int, _frame: FrameType | None) -> None:
        (sync if number == signal.SIGUSR1 else ending).set()
        wake.set()

    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(each, note)
    reconciler = Reconciler(settings)
    while not ending.is_set():
        wake.clear()
        again = sync.is_set()
        sync.clear()
        if not reconciler.poll(again=again) and again:
            sync.set()
        wake.wait(settings.interval.total_seconds())
    reconciler.close()


if __name__ == "__main__":
    main()
