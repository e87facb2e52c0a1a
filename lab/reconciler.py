"""One step of the lab's GitOps engine: what Git says, brought to one API server."""

import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from lab.description import write_private
from lab.git_client import GitClient, GitError
from lab.gitops_manifests import Manifest, ManifestError, read_manifests

_FIELD_MANAGER = "gitops"
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
    interval: timedelta = timedelta(seconds=0.5)

    @property
    def status_file(self) -> Path:
        return self.folder / "status.json"


class GitOpsStatus(_Model):
    """What the loop did last, for `lab/status` and tests; rewritten when it changes."""

    pid: int
    revision: str | None
    """The commit that the cluster has; None before the first one."""
    error: str | None
    """Why the newest commit is not there yet; it is tried again at each poll."""
    since: AwareDatetime


class _Applied(_Model):
    """Kept between runs: what to remove once Git does not name it any more."""

    revision: str | None = None
    paths: tuple[str, ...] = ()


class Reconciler:
    """One poll after the other; all that it must remember is in its folder."""

    def __init__(self, settings: GitOpsSettings) -> None:
        self._settings = settings
        self._git = GitClient(
            username=settings.username, password=settings.password, ca_file=settings.ca_file
        )
        self._remote = _session(settings)
        self._remote.auth = (settings.username, settings.password)
        self._api = _session(settings)
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
        self._remote.close()
        self._api.close()

    def _head(self) -> str | None:
        """What `git ls-remote` asks, over a connection that stays: a quarter of the CPU time."""
        answer = self._remote.get(
            f"{self._settings.repository}/info/refs",
            params={"service": "git-upload-pack"},
            timeout=_REQUEST_SECONDS,
        )
        _check(answer, path=self._settings.repository)
        return _head_of(answer.content, branch=self._settings.branch)

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
        write_private(self._settings.status_file, content=self._status.model_dump_json())
        log("status", revision=revision, error=error)


def _session(settings: GitOpsSettings) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # REQUESTS_CA_BUNDLE would win over verify, ~/.netrc over the token
    session.verify = str(settings.ca_file)
    return session


def _head_of(advertisement: bytes, *, branch: str) -> str | None:
    """The commit of a branch in Git's list of references (gitprotocol-http)."""
    for line in advertisement.split(b"\n"):
        reference, _, _capabilities = line.partition(b"\0")
        commit, _, name = reference.rpartition(b" ")
        if name == f"refs/heads/{branch}".encode():
            return commit[-40:].decode()  # the length of the packet stands before it
    return None


def _check(answer: requests.Response, *, path: str) -> None:
    if not answer.ok:
        raise requests.HTTPError(f"{path}: {answer.status_code}: {answer.text[:500]}")


def log(event: str, **fields: object) -> None:
    line = {"time": datetime.now(UTC).isoformat(), "event": event, **fields}
    print(json.dumps(line), flush=True)
