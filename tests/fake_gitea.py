"""Gitea's API as far as the hook calls it, with real Git repositories behind it.

There is no Gitea among the packages that can be installed here. Statuses and fields are those of
its published API description (swagger.v1.json); Git itself is the lab's Git server.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from werkzeug import Request, Response

from lab.services.git_server import make_repository

_REPOSITORY = re.compile(r"^/api/v1/repos/([^/]+)/([^/]+)$")
_PULLS = re.compile(r"^/api/v1/repos/([^/]+/[^/]+)/pulls(?:/(\d+))?$")
_OF_ORGANISATION = re.compile(r"^/api/v1/orgs/([^/]+)/repos$")


def reply(status: int, body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


@dataclass
class FakeGitea:
    """Call an instance as the handler of every request."""

    root: Path
    """Where the Git server's bare repositories are."""
    username: str
    password: str
    organisations: set[str] = field(default_factory=lambda: {"nephio"})
    private: dict[str, bool] = field(default_factory=dict)
    """`owner/name` to whether it is private."""
    hidden: set[str] = field(default_factory=set)
    """Repositories that these credentials may not see."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    pulls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By repository, in the order in which they were opened."""
    fails: Response | None = None

    def __call__(self, request: Request) -> Response:
        self.calls.append((request.method, request.path))
        if self.fails is not None:
            return self.fails
        login = request.authorization
        if login is None or (login.username, login.password) != (self.username, self.password):
            return reply(401, {"message": "invalid username, password or token"})
        if found := _PULLS.match(request.path):
            return self._pulls(request, self.pulls.setdefault(found[1], []), number=found[2])
        return self._get(request.path) if request.method == "GET" else self._post(request)

    def _pulls(self, request: Request, pulls: list[dict[str, Any]], *, number: str) -> Response:
        if request.method == "GET":
            page, limit = int(request.args["page"]), int(request.args["limit"])
            newest_first = list(reversed(pulls))[(page - 1) * limit : page * limit]
            return Response(json.dumps(newest_first), content_type="application/json")
        wanted = json.loads(request.data)
        if request.method == "PATCH":
            pulls[int(number) - 1] |= wanted
            return reply(201, pulls[int(number) - 1])
        open_now = [one for one in pulls if one["state"] == "open"]
        if wanted["head"] in {one["head"]["ref"] for one in open_now}:
            return reply(409, {"message": "pull request already exists for these targets"})
        pull = {
            "number": len(pulls) + 1,
            "html_url": f"http://gitea.example/pulls/{len(pulls) + 1}",
            "state": "open",
            "merged": False,
            "created_at": datetime.now(UTC).isoformat(),
            "merge_commit_sha": None,
            "title": wanted["title"],
            "body": wanted["body"],
            "head": {"ref": wanted["head"]},
            "base": {"ref": wanted["base"]},
        }
        pulls.append(pull)
        return reply(201, pull)

    def merge(self, name: str, *, squash: bool) -> str:
        """What a person does in the web page, to the newest pull request."""
        pull = self.pulls[name][-1]
        base, head = pull["base"]["ref"], pull["head"]["ref"]
        with tempfile.TemporaryDirectory() as folder:
            git = ("git", "-C", folder, "-c", "user.name=person", "-c", "user.email=p@localhost")
            bare = self.root / f"{name}.git"
            subprocess.run(["git", "clone", "-q", "-b", base, bare, folder], check=True)
            how = ["--squash"] if squash else ["--no-ff", "--no-edit"]
            subprocess.run([*git, "merge", "-q", *how, f"origin/{head}"], check=True)
            if squash:
                subprocess.run([*git, "commit", "-q", "-m", pull["title"]], check=True)
            subprocess.run([*git, "push", "-q", "origin", base], check=True)
            read = [*git, "rev-parse", "HEAD"]
            sha = subprocess.run(read, check=True, capture_output=True, text=True).stdout.strip()
        pull |= {"state": "closed", "merged": True, "merge_commit_sha": sha}
        return sha

    def _post(self, request: Request) -> Response:
        if request.path == "/api/v1/user/repos":
            return self._create(self.username, json.loads(request.data))
        found = _OF_ORGANISATION.match(request.path)
        if found is None:
            return reply(404, {"message": "not found"})
        if found[1] not in self.organisations:
            return reply(404, {"message": "organization does not exist"})
        return self._create(found[1], json.loads(request.data))

    def _get(self, path: str) -> Response:
        if path == "/api/v1/user":
            return reply(200, {"login": self.username})
        found = _REPOSITORY.match(path)
        name = f"{found[1]}/{found[2]}" if found else ""
        if name not in self.private or name in self.hidden:
            return reply(404, {"message": "The target couldn't be found."})
        return reply(200, {"full_name": name, "private": self.private[name]})

    def _create(self, owner: str, wanted: Mapping[str, Any]) -> Response:
        name = f"{owner}/{wanted['name']}"
        if name in self.private:
            return reply(409, {"message": "The repository with the same name already exists."})
        self.private[name] = wanted.get("private", False)
        bare = self.root / f"{name}.git"
        make_repository(bare)
        if wanted.get("auto_init"):
            first_commit(bare, branch=wanted["default_branch"])
        return reply(201, {"full_name": name, "private": self.private[name]})


def first_commit(bare: Path, *, branch: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        git = ("git", "-C", folder, "-c", "user.name=gitea", "-c", "user.email=gitea@localhost")
        subprocess.run(["git", "init", "-q", "-b", branch, folder], check=True)
        Path(folder, "README.md").write_text("# dr\n")
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "Initial commit"], check=True)
        subprocess.run([*git, "push", "-q", bare, branch], check=True)
