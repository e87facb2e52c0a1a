"""Links from a task to what it made (a commit, an image, an archive) and to the page.

Airflow asks for them in the worker when the task ends and keeps them as XComs, so they are read
from the operator itself.
"""

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class _MadeLink(BaseOperatorLink):
    """Shows the operator's attribute of this name."""

    attribute: str

    def get_link(
        self,
        operator: "BaseOperator",
        *,
        ti_key: "TaskInstanceKey",  # noqa: ARG002 - Airflow's signature
    ) -> str:
        return getattr(operator, self.attribute, None) or ""


class CommitLink(_MadeLink):
    """The commit that a task pushed."""

    name = "Commit"
    attribute = "commit_url"


class ImageLink(_MadeLink):
    """The manifest of the image that a task pushed."""

    name = "Image"
    attribute = "image_url"


class ArchiveLink(_MadeLink):
    """The checkpoint archive that a task read."""

    name = "Archive"
    attribute = "archive_url"


class PageLink(BaseOperatorLink):
    """The page of what the task is a part of, in Airflow's frame.

    An operator that knows better sets its `page`.
    """

    name = "Transition"

    def get_link(self, operator: "BaseOperator", *, ti_key: "TaskInstanceKey") -> str:
        page = getattr(operator, "page", None)
        return page_url(page or _page_of(ti_key.dag_id, run_id=ti_key.run_id))


def page_url(page: str) -> str:
    """Address of one of our pages, as people open it."""
    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}/plugin/transition/transition/page/{page}"


def transition_page(transition_id: str) -> str:
    return f"transition?id={quote(transition_id, safe='')}"


def restore_point_page(restore_point_id: str) -> str:
    return f"restore-point?id={quote(restore_point_id, safe='')}"


def _page_of(dag_id: str, *, run_id: str) -> str:
    """A planned move is named by its run; a failover by its claim, which the run's tasks know."""
    kind, _, policy = dag_id.partition(".")
    if kind in {"migrate", "failback", "redeploy"}:
        return transition_page(f"{dag_id}/{run_id}")
    if kind == "failover":
        return f"transitions?policy={quote(policy, safe='')}"
    return "restore-points"


def commit_url(repo: str, *, sha: str) -> str | None:
    """Page of a commit on the forges that have one under this path (GitHub, Gitea, Forgejo)."""
    if urlsplit(repo).scheme not in {"http", "https"}:
        return None
    return f"{repo.removesuffix('/').removesuffix('.git')}/commit/{sha}"


def image_url(image: str) -> str:
    """Where the registry serves the manifest of an image by digest."""
    name, _, digest = image.partition("@")
    host, _, repository = name.partition("/")
    return f"https://{host}/v2/{repository}/manifests/{digest}"


def archive_url(bucket: str, *, key: str) -> str:
    """Where an archive lies; S3 clients take it as it is."""
    return f"s3://{bucket}/{key}"
