"""Where a package is written, and what its engine is called and told."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from airflow_transition.core.cluster_package import package_on, paths_on
from airflow_transition.core.engine import EngineFolder, object_name
from airflow_transition.core.engine_objects import application, git_repository, objects_file
from airflow_transition.core.package_edits import copied
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from airflow_transition.core.repository_url import same_repository

GUIDE_POLICY = Path(__file__).parent / "guide-policy.yaml"
DR = "https://git.example/nephio/dr.git"


def with_promotion(**promotion: object) -> ClusterPolicy:
    document = load_policy(GUIDE_POLICY).model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["promotion"] = promotion
    return ClusterPolicy.of_document(document)


def test_without_an_engine_a_package_has_the_same_folder_in_each_clusters_own_repository() -> None:
    policy = load_policy(GUIDE_POLICY)
    place = package_on(policy, package=policy.package("video"), cluster="cluster2-aws")
    assert (place.git_conn_id, place.package_path) == ("cluster2-aws-git", "video")
    assert (place.engine, place.dr) == (None, None)


def test_a_target_with_an_engine_has_its_folder_in_the_repository_dr() -> None:
    policy = with_promotion(engine="argocd", repo=DR, project="shops")
    place = package_on(policy, package=policy.package("video"), cluster="cluster2-aws")
    assert (place.git_conn_id, place.repo) == ("dr-git", DR)
    assert place.package_path == "cluster2-aws-dr/cluster1-azure.video"
    (name, text), *others = objects_file(EngineFolder(place, repo_url=DR, namespace="shop")).items()
    assert (name, others) == ("cluster2-aws-dr/cluster1-azure.video.yaml", [])
    made = yaml.safe_load(text)
    assert made["metadata"]["name"] == "cluster2-aws-dr.cluster1-azure.video"
    assert made["metadata"]["namespace"] == "argocd"
    assert made["spec"]["project"] == "shops"


def test_the_source_keeps_its_own_repository_and_has_an_engine_too() -> None:
    policy = with_promotion(engine="argocd", repo=DR, engineCluster="hub")
    place = package_on(policy, package=policy.package("video"), cluster=policy.source.name)
    assert (place.git_conn_id, place.package_path) == ("cluster1-azure-git", "video")
    assert place.dr is None
    assert place.engine is not None
    assert place.engine.cluster == "hub"


def test_each_cluster_has_an_engine_of_its_own_unless_a_hub_is_named() -> None:
    policy = with_promotion(engine="flux")
    place = package_on(policy, package=policy.package("video"), cluster="cluster2-aws")
    assert place.engine is not None
    assert (place.engine.cluster, place.engine.namespace) == ("cluster2-aws", "flux-system")


def test_places_survive_the_way_between_tasks() -> None:
    policy = with_promotion(engine="flux", repo=DR, secret="dr-git", createRepo=True)
    place = package_on(policy, package=policy.package("video"), cluster="cluster2-aws")
    assert type(place).model_validate(place.as_json()) == place


def test_folders_of_all_packages_are_known_by_cluster() -> None:
    policy = with_promotion(engine="argocd")
    packages = policy.spec.package_selectors
    assert paths_on(policy, packages=packages, cluster="cluster1-azure") == {"video": "video"}
    there = paths_on(policy, packages=packages, cluster="cluster2-aws")
    assert there == {"video": "cluster2-aws-dr/cluster1-azure.video"}


@pytest.mark.parametrize(
    ("promotion", "field"),
    [
        ({"repo": DR}, "repo"),
        ({"engineCluster": "hub"}, "engineCluster"),
        ({"createRepo": True}, "createRepo"),
        ({"engine": "flux", "project": "shops"}, "project"),
        ({"engine": "argocd", "secret": "dr-git"}, "secret"),
    ],
)
def test_a_field_of_another_engine_is_refused(promotion: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=rf"spec\.promotion\.{field}\n.*the engine is"):
        with_promotion(**promotion)


def test_a_targets_own_repository_that_would_not_be_read_is_refused() -> None:
    document = with_promotion(engine="argocd").model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    document["spec"]["targetClusterPolicy"]["preferClusters"][0]["repo"] = DR
    with pytest.raises(ValidationError, match="is not read with promotion.engine argocd"):  # noqa: RUF043 - the dot may be any
        ClusterPolicy.of_document(document)


@pytest.mark.parametrize("branch", ["-main", "a b", "", "--upload-pack=x"])
def test_a_branch_that_git_could_take_for_something_else_is_refused(branch: str) -> None:
    with pytest.raises(ValidationError, match=r"spec\.promotion\.branch"):
        with_promotion(engine="argocd", branch=branch)


def test_a_name_that_is_too_long_for_a_label_is_cut_and_stays_unique() -> None:
    long = [
        object_name(target="t" * 40, source="s" * 40, package=package)
        for package in ("video", "audio", "video")
    ]
    assert all(len(name) == 63 for name in long)
    assert long[0] == long[2] != long[1]


def test_an_application_follows_its_branch_and_takes_its_pods_along() -> None:
    policy = with_promotion(engine="argocd", repo=DR, branch="live")
    place = package_on(policy, package=policy.package("video"), cluster="cluster2-aws")
    made = application(EngineFolder(place, repo_url=DR, namespace="shop"))
    assert made["spec"]["source"]["targetRevision"] == "live"
    assert made["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]


def test_flux_gets_a_url_with_a_scheme() -> None:
    policy = with_promotion(engine="flux", repo="git@git.example:nephio/dr.git", secret="dr-key")
    place = package_on(policy, package=policy.package("video"), cluster="cluster2-aws")
    made = git_repository(EngineFolder(place, repo_url=str(place.repo), namespace="shop"))
    assert made["spec"]["url"] == "ssh://git@git.example/nephio/dr.git"
    assert made["spec"]["secretRef"] == {"name": "dr-key"}


def test_files_are_copied_from_folder_to_folder_byte_for_byte() -> None:
    files = {"video/a.yaml": "a\r\n", "video/deep/b.yaml": "b"}
    there = {"dr/video/a.yaml": "a\r\n", "dr/video/deep/b.yaml": "b"}
    assert copied(files, source="video", target="dr/video") == there
    assert copied(there, source="dr/video", target="video") == files
    assert copied({"a.yaml": "a"}, source=".", target="video") == {"video/a.yaml": "a"}
    assert copied({"video/a.yaml": "a"}, source="video", target=".") == {"a.yaml": "a"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://git.example/a/b.git", "http://git.example/a/b/", True),
        ("git@git.example:a/b.git", "ssh://git@git.example:2222/a/b", True),
        ("https://GIT.example/a/b", "https://git.example/a/b", True),
        ("https://git.example/a/b", "https://git.example/a/c", False),
        ("https://git.example/a/b", "https://other.example/a/b", False),
    ],
)
def test_urls_of_one_repository_are_seen_as_one(one: str, other: str, *, same: bool) -> None:
    assert same_repository(one, other) is same
