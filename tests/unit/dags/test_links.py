"""Links from a task to what it made."""

from pathlib import Path

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.types import TaskInstanceKey

from airflow_transition.core.policy_files import load_policy
from airflow_transition.dag_builder import build_dags
from airflow_transition.links import PageLink, archive_url, commit_url, image_url, transition_page
from airflow_transition.operators.door import DoorOpenOperator
from airflow_transition.operators.failover_verify import FailoverVerifyOperator

GUIDE_POLICY = Path(__file__).parents[1] / "core" / "guide-policy.yaml"


@pytest.mark.parametrize(
    ("repo", "page"),
    [
        ("https://git.example/ops/web.git", "https://git.example/ops/web/commit/abc"),
        ("http://git.example:3000/web/", "http://git.example:3000/web/commit/abc"),
        ("git@git.example:ops/web.git", None),
        ("", None),
    ],
)
def test_a_commit_has_a_page_where_the_repository_has_one(repo: str, page: str | None) -> None:
    assert commit_url(repo, sha="abc") == page


def test_an_image_is_shown_by_its_digest() -> None:
    image = "registry.example:5000/checkpoints/video@sha256:123"
    page = "https://registry.example:5000/v2/checkpoints/video/manifests/sha256:123"
    assert image_url(image) == page


def test_an_archive_is_shown_as_s3_clients_name_it() -> None:
    assert archive_url("checkpoints", key="a/b.tar") == "s3://checkpoints/a/b.tar"


@pytest.mark.parametrize(
    ("dag_id", "page"),
    [
        ("migrate.web", "transition?id=migrate.web%2Fmanual__2026-11-24T22%3A00%3A00%2B00%3A00"),
        ("failback.a.b", "transition?id=failback.a.b%2Fmanual__2026-11-24T22%3A00%3A00%2B00%3A00"),
        ("redeploy.web", "transition?id=redeploy.web%2Fmanual__2026-11-24T22%3A00%3A00%2B00%3A00"),
        ("failover.a.b", "transitions?policy=a.b"),
        ("checkpoint.web.video.hourly", "restore-points"),
    ],
)
def test_a_task_leads_to_the_page_of_what_it_is_a_part_of(dag_id: str, page: str) -> None:
    assert link_of(DoorOpenOperator(task_id="x", package={}), dag_id=dag_id).endswith(
        f"/plugin/transition/transition/page/{page}"
    )


def test_a_task_that_knows_better_leads_there() -> None:
    operator = FailoverVerifyOperator(task_id="verify", plan={}, promoted={})
    operator.page = transition_page("web/cluster1@3")
    assert link_of(operator, dag_id="failover.web").endswith("/transition?id=web%2Fcluster1%403")


def test_every_task_of_every_dag_has_a_link_to_the_page() -> None:
    for dag in build_dags(load_policy(GUIDE_POLICY)):
        for task in dag.tasks:
            names = [link.name for link in task.operator_extra_links]
            assert "Transition" in names, f"{dag.dag_id} {task.task_id}"


def link_of(operator: BaseOperator, *, dag_id: str) -> str:
    key = TaskInstanceKey(
        dag_id=dag_id, task_id="x", run_id="manual__2026-11-24T22:00:00+00:00", try_number=1
    )
    return PageLink().get_link(operator, ti_key=key)
