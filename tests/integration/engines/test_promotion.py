"""A promotion on real Git is what the engine applies, at its commit, and can be taken back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from transition_wire.checkpoint_record import BaseImage

from airflow_transition import engine_delivery
from airflow_transition.core.checkpoint_images import CheckpointImages
from airflow_transition.core.cluster_package import package_on
from airflow_transition.core.move import PROMOTION, MovePlan
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.restore_points import ContainerCheckpoint
from airflow_transition.hooks.gitops import GitOpsHook
from airflow_transition.operators.promotion import GitPromoteOperator
from tests.unit.operators.conftest import GUIDE_POLICY
from tests.unit.operators.world import node_facts

from .conftest import DEPLOYMENT, SERVICE, SOURCE, TARGET, Site

FOLDER = f"{TARGET}-dr/{SOURCE}.video"
NAME = f"{TARGET}-dr.{SOURCE}.video"
IMAGES = {"app": "registry.example/checkpoints@sha256:" + 64 * "7"}


class TaskInstance:
    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@pytest.fixture(params=["argocd", "flux"])
def plan(request: pytest.FixtureRequest, site: Site) -> MovePlan:
    document = yaml.safe_load(GUIDE_POLICY.read_text())
    document["spec"]["clusterSelector"]["repo"] = site.source.url
    document["spec"]["promotion"] = {"engine": request.param}
    policy = ClusterPolicy.of_document(document)
    package = policy.package("video")
    return MovePlan(
        move="migrate.sample/manual__1",
        policy=policy.name,
        source=package_on(policy, package=package, cluster=SOURCE),
        target=package_on(policy, package=package, cluster=TARGET),
        workload_kind="Deployment",
        workload="video",
        namespace="shop",
        pod="video-1",
        node="node-1",
        containers=("app",),
        replicas=1,
        pod_labels={"app": "video"},
        door=(),
    )


def checkpoint_images(images: Mapping[str, str]) -> CheckpointImages:
    return CheckpointImages(
        containers=tuple(
            ContainerCheckpoint(
                container=name,
                record_key="any",
                digest=image.rpartition("@")[2],
                size_bytes=1,
                image=image,
                base_image=BaseImage(name="registry.example/video:1", reference="sha256:1"),
            )
            for name, image in images.items()
        ),
        node=node_facts(SOURCE),
        verified=datetime(2026, 11, 24, tzinfo=UTC),
    )


def promote(plan: MovePlan, *, images: Mapping[str, str] = IMAGES) -> Mapping[str, Any]:
    operator = GitPromoteOperator(
        task_id="promote",
        plan=plan.model_dump(mode="json"),
        images=checkpoint_images(images).as_json(),
    )
    return operator.execute({"ti": TaskInstance()})  # all that it reads of the context


def applied(site: Site, plan: MovePlan) -> Mapping[str, Any]:
    assert plan.target.engine is not None
    engine = site.argo if plan.target.engine.kind == "argocd" else site.flux
    return engine.applied


def test_the_engine_applies_the_package_with_its_images_from_the_promotions_commit(
    site: Site, plan: MovePlan
) -> None:
    before = site.source.head()
    promoted = promote(plan)
    assert promoted["commit"] == site.dr.head()
    wanted = DEPLOYMENT.replace("registry.example/video:1", IMAGES["app"])
    (files,) = applied(site, plan).values()
    assert files == {
        f"{FOLDER}/deployment.yaml": wanted.strip(),
        f"{FOLDER}/service.yaml": SERVICE.strip(),
    }
    assert site.source.head() == before


def test_the_engines_object_lies_beside_the_folder_as_it_was_applied(
    site: Site, plan: MovePlan
) -> None:
    promote(plan)
    written = yaml.safe_load(site.dr.files()[f"{FOLDER}.yaml"])
    (live,) = [items[NAME] for items in site.api.objects.values() if NAME in items]
    assert live["spec"] == written["spec"]
    url = written["spec"].get("source", {}).get("repoURL", site.dr.url)
    assert url == site.dr.url


def test_a_second_attempt_commits_nothing_and_finds_it_applied(site: Site, plan: MovePlan) -> None:
    first = promote(plan)
    second = promote(plan)
    assert (second["commit"], second["changed"]) == (first["commit"], False)
    assert len(site.dr.git("log", "--format=%s").splitlines()) == 2


def test_a_promotion_that_is_reverted_leaves_nothing_to_the_engine(
    site: Site, plan: MovePlan
) -> None:
    promote(plan)
    git = GitOpsHook("dr-git", branch="main")
    commit = git.find(plan.trailers(PROMOTION))
    assert commit is not None
    git.revert(commit)
    engine_delivery.take_back(plan.target, namespace="shop")
    assert set(site.dr.files()) == {"README.md"}
    assert all(NAME not in items for items in site.api.objects.values())


def test_a_revert_to_an_older_copy_is_applied(site: Site, plan: MovePlan) -> None:
    promote(plan)
    git = GitOpsHook("dr-git", branch="main")
    later = plan.model_copy(update={"move": "migrate.sample/manual__2"})
    other = {"app": "registry.example/checkpoints@sha256:" + 64 * "8"}
    promote(later, images=other)
    commit = git.find(later.trailers(PROMOTION))
    assert commit is not None
    git.revert(commit)
    engine_delivery.take_back(plan.target, namespace="shop")
    assert IMAGES["app"] in applied(site, plan)[NAME][f"{FOLDER}/deployment.yaml"]
