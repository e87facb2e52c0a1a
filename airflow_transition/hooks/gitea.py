"""Gitea's API of the server behind a Git connection, as far as Git itself has no word for it.

GET    /api/v1/user
GET    /api/v1/repos/{owner}/{name}
POST   /api/v1/user/repos, /api/v1/orgs/{owner}/repos
"""

from urllib.parse import quote

from airflow.sdk import BaseHook

from airflow_transition.hooks.gitea_client import GiteaClient, GiteaDeniedError, GiteaRefusedError

_OK, _CREATED, _MISSING, _CONFLICT = 200, 201, 404, 409


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

    def _client(self) -> GiteaClient:
        return GiteaClient(self.git_conn_id, repo_url=self.repo_url)


def _exists(client: GiteaClient) -> bool:
    path = client.repository.path
    answer = client.send("GET", path)
    if answer.status in (_OK, _MISSING):
        return answer.status == _OK
    raise client.refusal(answer, where=client.where("GET", path))
