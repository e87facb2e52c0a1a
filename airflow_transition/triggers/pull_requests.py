"""Wait in the triggerer until a pull request is merged, or closed without it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_transition.core.errors import TemporaryError
from airflow_transition.hooks.gitea import GiteaHook


class PullRequestTrigger(BaseTrigger):
    """Fire once the pull request of a branch is not open any more, or its time is over.

    A Gitea that is away is waited out.

    :param git_conn_id: the Git connection of its repository.
    :param repo_url: another repository on the same server.
    :param branch: the one that is to be merged.
    :param until: when to stop waiting for it.
    :param poll_interval: pause between two looks.
    """

    def __init__(
        self,
        *,
        git_conn_id: str,
        repo_url: str | None,
        branch: str,
        until: datetime,
        poll_interval: timedelta = timedelta(seconds=5),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.git_conn_id = git_conn_id
        self.repo_url = repo_url
        self.branch = branch
        self.until = until
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "git_conn_id": self.git_conn_id,
                "repo_url": self.repo_url,
                "branch": self.branch,
                "until": self.until,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        hook = GiteaHook(self.git_conn_id, repo_url=self.repo_url)
        while await sync_to_async(self._is_open)(hook):  # noqa: ASYNC110 - Gitea is asked
            await asyncio.sleep(self.poll_interval.total_seconds())
        yield TriggerEvent({"branch": self.branch})  # type: ignore[no-untyped-call]

    def _is_open(self, hook: GiteaHook) -> bool:
        if datetime.now(UTC) >= self.until:
            return False
        try:
            pull = hook.find_pull(self.branch)
        except TemporaryError as error:
            self.log.warning("asked again: %s", error)
            return True
        return pull is not None and pull.is_open
