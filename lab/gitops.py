"""The lab's GitOps engine: one process per cluster makes its API server have what Git says.

As Argo CD does without self-heal, it applies when the commit changed or when it is told to
(`sync`), and removes what it applied before and no longer finds. What others change meanwhile is
left alone: server-side apply owns only the fields that the manifests name.

Runs as `python -m lab.gitops FILE`.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import requests
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from lab.description import LabDescription, write_private
from lab.git_client import GitClient, GitError
from lab.gitops_manifests import Manifest, ManifestError, read_manifests
from lab.services.daemon import PROBE_INTERVAL, Daemon, DaemonError

_FIELD_MANAGER = "gitops"
_SOURCE = Path(__file__).resolve().parent.parent
_REQUEST_SECONDS = 10.0


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GitOpsSettings(_Model):
    """Which repository goes to which API server, with the credentials of both."""

    cluster: str
    repository: str
    branch: str = "main"
    username: str
    password: str = Field(repr=False)
    api_url: str
    token: str = Field(repr=False)
    ca_file: Path
    folder: Path
    """The loop's own: what it applied, its status, its checkout."""
    interval: timedelta = timedelta(seconds=1)


class GitOpsStatus(_Model):
    """What the loop did last, for `lab/status` and tests; rewritten when it changes."""

    pid: int
    revision: str | None
    """The commit that the cluster has; None before the first one."""
    error: str | None
    """Why the newest commit is not there yet; it is tried again each second."""
    since: AwareDatetime


class _Applied(_Model):
    """Kept between runs: what to remove once Git does not name it any more."""

    revision: str | None = None
    paths: tuple[str, ...] = ()


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
            return GitOpsStatus.model_validate_json(_status_file(self.settings).read_bytes())
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


class Reconciler:
    """One poll after the other; all that it must remember is in its folder."""

    def __init__(self, settings: GitOpsSettings) -> None:
        self._settings = settings
        self._git = GitClient(
            username=settings.username, password=settings.password, ca_file=settings.ca_file
        )
        self._api = requests.Session()
        self._api.trust_env = False  # REQUESTS_CA_BUNDLE would win over verify
        self._api.verify = str(settings.ca_file)
        self._api.headers["Authorization"] = f"Bearer {settings.token}"
        self._status: GitOpsStatus | None = None

    def poll(self, *, again: bool = False) -> bool:
        """Bring a new commit to the cluster (`again`: any); False leaves it to the next poll."""
        try:
            head = self._head()
            if head is not None and (again or head != self._applied().revision):
                self._reconcile()
        except (GitError, ManifestError, requests.RequestException) as error:
            self._report(error=str(error))
            return False
        self._report(error=None)
        return True

    def close(self) -> None:
        self._api.close()

    def _head(self) -> str | None:
        branch = f"refs/heads/{self._settings.branch}"
        listed = self._git.run(
            "ls-remote", self._settings.repository, branch, patience=timedelta(seconds=20)
        )
        return listed.split()[0] if listed else None

    def _reconcile(self) -> None:
        began = time.monotonic()
        checkout = self._settings.folder / "checkout"
        shutil.rmtree(checkout, ignore_errors=True)  # what a killed run left is not trusted
        self._git.run(
            *("clone", "--quiet", "--depth", "1", "--branch", self._settings.branch),
            *(self._settings.repository, checkout),
        )
        revision = self._git.run("rev-parse", "HEAD", folder=checkout).strip()
        manifests = read_manifests(checkout)
        before = self._applied()
        paths = tuple(manifest.path for manifest in manifests)
        gone = tuple(path for path in before.paths if path not in paths)
        self._remember(_Applied(revision=before.revision, paths=(*gone, *paths)))
        for manifest in manifests:
            self._apply(manifest)
        for path in reversed(gone):
            self._delete(path)
        self._remember(_Applied(revision=revision, paths=paths))
        seconds = round(time.monotonic() - began, 3)
        log("applied", revision=revision, objects=len(paths), removed=list(gone), seconds=seconds)

    def _apply(self, manifest: Manifest) -> None:
        answer = self._api.patch(
            self._settings.api_url + manifest.path,
            params={"fieldManager": _FIELD_MANAGER, "force": "true"},
            data=json.dumps(manifest.body),
            headers={"Content-Type": "application/apply-patch+yaml"},
            timeout=_REQUEST_SECONDS,
        )
        _check(answer, path=manifest.path)

    def _delete(self, path: str) -> None:
        answer = self._api.delete(self._settings.api_url + path, timeout=_REQUEST_SECONDS)
        if answer.status_code != requests.codes.not_found:
            _check(answer, path=path)

    def _applied(self) -> _Applied:
        try:
            return _Applied.model_validate_json(self._applied_file.read_bytes())
        except FileNotFoundError:
            return _Applied()

    def _remember(self, applied: _Applied) -> None:
        write_private(self._applied_file, content=applied.model_dump_json())

    @property
    def _applied_file(self) -> Path:
        return self._settings.folder / "applied.json"

    def _report(self, *, error: str | None) -> None:
        revision = self._applied().revision
        if self._status and (self._status.revision, self._status.error) == (revision, error):
            return  # one line per change, not one per second
        self._status = GitOpsStatus(
            pid=os.getpid(), revision=revision, error=error, since=datetime.now(UTC)
        )
        write_private(_status_file(self._settings), content=self._status.model_dump_json())
        log("status", revision=revision, error=error)


def _check(answer: requests.Response, *, path: str) -> None:
    if not answer.ok:
        raise requests.HTTPError(f"{path}: {answer.status_code}: {answer.text[:500]}")


def _status_file(settings: GitOpsSettings) -> Path:
    return settings.folder / "status.json"


def log(event: str, **fields: object) -> None:
    line = {"time": datetime.now(UTC).isoformat(), "event": event, **fields}
    print(json.dumps(line), flush=True)


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
