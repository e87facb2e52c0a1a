"""Gitea's API of the server behind a Git connection, as far as Git itself has no word for it.

GET    /api/v1/user
GET    /api/v1/repos/{owner}/{name}
POST   /api/v1/user/repos, /api/v1/orgs/{owner}/repos
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseHook

from airflow_transition.hooks.gitea_client import GiteaClient, GiteaDeniedError, GiteaRefusedError

_OK, _CREATED, _MISSING, _CONFLICT = 200, 201, 404, 409
_PAGE, _PAGES = 50, 20
"""Newest first: a pull request of ours is on the first page, unless it waited for months."""


@dataclass(frozen=True)
class PullRequest:
    """What a person merges or closes."""

    number: int
    url: str
    is_open: bool
    created: datetime
    merge_commit: str | None
    """None: not merged."""


class GiteaHook(BaseHook):
    """One repository on Gitea.

    :param git_conn_id: the connection of type git.
    :param repo_url: another repository on the same server.
    """

    def __init__(self, git_conn_id: str, *, repo_url: str | None = None) -> None:
        super().__init__()
        self.git_conn_id = git_conn_id
        self.repo_url = repo_url

    def ensure_repository(self, *, branch: str) -> bool:
        """Have the repository, private and with a first commit on `branch`; True: it was made now.

        One that is there is left as it is.
        """
        with self._client() as client:
            made = not _exists(client) and self._create(client, branch=branch)
            self.log.info("repository %s: %s", client.repository.path, "made" if made else "there")
        return made

    def _create(self, client: GiteaClient, *, branch: str) -> bool:
        owner = client.repository.owner
        own = client.send("GET", "/user")
        login = own.found.get("login") if own.status == _OK else None
        mine = str(login or "").lower() == owner.lower()
        path = "/user/repos" if mine else f"/orgs/{quote(owner, safe='')}/repos"
        body = {
            "name": client.repository.name,
            "description": "What airflow-transition moved, by target cluster",
            "private": True,
            "auto_init": True,
            "default_branch": branch,
        }
        answer = client.send("POST", path, body=body)
        if answer.status == _CREATED:
            return True
        if answer.status == _CONFLICT and _exists(client):
            return False  # somebody else was first
        if answer.status == _CONFLICT:
            raise GiteaDeniedError(
                "the repository is there, and these credentials may not see it",
                where=client.where("POST", path),
                found=answer.message,
                do=f"let the user of connection {self.git_conn_id} read and write it",
            )
        if answer.status == _MISSING:
            raise GiteaRefusedError(
                "Gitea has no such organisation",
                where=client.where("POST", path),
                found=answer.message,
                do="correct the owner in the repository's URL, or make the organisation",
            )
        raise client.refusal(answer, where=client.where("POST", path))

    def find_pull(self, branch: str) -> PullRequest | None:
        """The newest pull request that is to merge this branch."""
        with self._client() as client:
            for page in range(1, _PAGES + 1):
                path = f"{client.repository.path}/pulls?state=all&limit={_PAGE}&page={page}"
                answer = client.send("GET", path)
                if answer.status != _OK or not isinstance(answer.found, list):
                    raise client.refusal(answer, where=client.where("GET", path))
                for found in answer.found:
                    if found["head"]["ref"] == branch:
                        return _pull(found)
                if len(answer.found) < _PAGE:
                    return None
        return None

    def open_pull(self, branch: str, *, base: str, title: str, body: str) -> PullRequest:
        """Propose to merge a branch; one that is open already is the same one."""
        wanted = {"head": branch, "base": base, "title": title, "body": body}
        with self._client() as client:
            path = f"{client.repository.path}/pulls"
            answer = client.send("POST", path, body=wanted)
            if answer.status == _CREATED:
                return _pull(answer.found)
            there = self.find_pull(branch) if answer.status == _CONFLICT else None
            if there is None:
                raise client.refusal(answer, where=client.where("POST", path))
            return there

    def close_pull(self, number: int) -> None:
        """Nobody is to merge it any more; one that was merged meanwhile stays merged."""
        with self._client() as client:
            path = f"{client.repository.path}/pulls/{number}"
            answer = client.send("PATCH", path, body={"state": "closed"})
            if answer.status not in (_OK, _CREATED):
                raise client.refusal(answer, where=client.where("PATCH", path))

    def _client(self) -> GiteaClient:
        return GiteaClient(self.git_conn_id, repo_url=self.repo_url)


def _exists(client: GiteaClient) -> bool:
    path = client.repository.path
    answer = client.send("GET", path)
    if answer.status in (_OK, _MISSING):
        return answer.status == _OK
    raise client.refusal(answer, where=client.where("GET", path))


def _pull(found: Mapping[str, Any]) -> PullRequest:
    return PullRequest(
        number=int(found["number"]),
        url=str(found["html_url"]),
        is_open=found["state"] == "open",
        created=datetime.fromisoformat(found["created_at"]),
        merge_commit=str(found["merge_commit_sha"]) if found.get("merged") else None,
    )
