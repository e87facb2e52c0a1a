"""Argo CD is told of a folder and a commit, by the objects of its own API."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import yaml

from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.engine import DrFolder, EngineFolder, EngineRef
from airflow_transition.core.engine_objects import objects_file
from airflow_transition.hooks.argocd import ArgoCdHook
from airflow_transition.hooks.gitops_engine import (
    EngineBusyError,
    EngineFailedError,
    EngineMissingError,
    NotHealthyError,
    NotSyncedError,
)
from airflow_transition.hooks.polling import Poll
from tests.fake_engines import APPLICATIONS, FakeArgoCd

from .api_server import ApiServer, answer, status
from .conftest import Clock

COMMIT, LATER = "a" * 40, "b" * 40
DR = "https://git.example/nephio/dr.git"
NAME = "cluster2-aws-dr.cluster1-azure.video"
PATH = "cluster2-aws-dr/cluster1-azure.video"
MINUTE = timedelta(minutes=1)

Change = Callable[..., EngineFolder]


def folder(
    *, engine: EngineRef, place: str = "cluster2-aws", name: str = NAME, path: str = PATH
) -> EngineFolder:
    dr = DrFolder(git_conn_id="dr-git", branch="main", name=name)
    package = ClusterPackage(
        cluster=place, package="video", package_path=path, repo=DR, engine=engine, dr=dr
    )
    return EngineFolder(package, repo_url=DR, namespace="shop")


@pytest.fixture
def engine(cluster: str) -> EngineRef:
    return EngineRef(kind="argocd", cluster=cluster, namespace="argocd")


@pytest.fixture
def argo(api: ApiServer, clock: Clock) -> FakeArgoCd:
    made = FakeArgoCd(
        api, checkout=lambda _repo, revision, path: {path: revision} if revision else None
    )
    clock.on_sleep = made.step
    return made


@pytest.fixture
def argocd(engine: EngineRef, argo: FakeArgoCd, clock: Clock) -> ArgoCdHook:
    return ArgoCdHook(engine, poll=Poll(clock=lambda: clock.now, sleep=clock.sleep))


def test_the_application_is_made_and_synced_at_exactly_the_commit(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef, api: ApiServer
) -> None:
    argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    assert argo.synced == [(NAME, COMMIT)]
    made = api.objects[APPLICATIONS][NAME]
    assert made["spec"]["source"] == {"repoURL": DR, "path": PATH, "targetRevision": "main"}
    assert made["status"]["operationState"]["operation"]["sync"]["prune"] is True


def test_a_hub_is_told_the_cluster_by_name_and_an_engine_of_the_targets_own_by_address(
    engine: EngineRef, cluster: str
) -> None:
    (hub,) = objects_file(folder(engine=engine)).values()
    assert yaml.safe_load(hub)["spec"]["destination"]["name"] == "cluster2-aws"
    (own,) = objects_file(folder(engine=engine, place=cluster)).values()
    destination = {"server": "https://kubernetes.default.svc", "namespace": "shop"}
    assert yaml.safe_load(own)["spec"]["destination"] == destination


def test_a_second_call_finds_the_commit_synced_and_asks_for_nothing(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef
) -> None:
    for _ in range(2):
        argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    assert argo.synced == [(NAME, COMMIT)]


def test_an_operation_that_is_under_way_is_waited_for_and_not_overwritten(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef, api: ApiServer
) -> None:
    argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    api.objects[APPLICATIONS][NAME]["operation"] = {"sync": {"revision": "of somebody else"}}
    argocd.bring([folder(engine=engine)], commit=LATER, timeout=MINUTE)
    assert [commit for _, commit in argo.synced] == [COMMIT, "of somebody else", LATER]


def test_an_application_that_changes_between_reading_and_asking_is_read_again(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef, api: ApiServer
) -> None:
    argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    changed = []

    def change_once(method: str, path: str) -> None:
        app = api.objects[APPLICATIONS][NAME]
        asking = method == "PATCH" and api.calls[-2][0] == "GET"
        if asking and not changed:
            changed.append(path)
            app["operation"] = {"sync": {"revision": "of somebody else"}}
            api.touch(app)

    api.on_call = change_once
    argocd.bring([folder(engine=engine)], commit=LATER, timeout=MINUTE)
    assert [commit for _, commit in argo.synced] == [COMMIT, "of somebody else", LATER]


def test_what_argo_cd_says_of_a_failed_sync_is_in_the_error(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef
) -> None:
    argo.breaks = "one or more objects failed to apply: quota exceeded"
    with pytest.raises(EngineFailedError, match="quota exceeded"):
        argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)


def test_a_sync_that_failed_before_is_asked_for_again(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef
) -> None:
    argo.breaks = "the repository server is starting"
    with pytest.raises(EngineFailedError):
        argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    argo.breaks = ""
    argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    assert argo.synced == [(NAME, COMMIT)]


def test_a_sync_that_does_not_end_is_told_with_what_it_waits_for(
    argocd: ArgoCdHook, clock: Clock, engine: EngineRef
) -> None:
    clock.on_sleep = lambda: None
    with pytest.raises(NotSyncedError, match=f"{NAME}: an operation is under way"):
        argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)


def test_an_api_server_that_fails_for_a_while_is_asked_again(
    argocd: ArgoCdHook, argo: FakeArgoCd, api: ApiServer, clock: Clock, engine: EngineRef
) -> None:
    made = folder(engine=engine)
    answers = iter([None, status(503, "etcd is away"), status(500, "again")])
    api.on_call = lambda _method, _path: next(answers, None)
    argocd.bring([made], commit=COMMIT, timeout=MINUTE)
    assert argo.synced == [(NAME, COMMIT)]


def test_many_applications_are_waited_for_together(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef
) -> None:
    folders = [folder(engine=engine, name=f"dr.{number}") for number in range(20)]
    argocd.bring(folders, commit=COMMIT, timeout=timedelta(seconds=5))
    assert {name for name, _ in argo.synced} == {f"dr.{number}" for number in range(20)}


def test_a_cluster_without_argo_cd_is_named(
    argocd: ArgoCdHook, api: ApiServer, engine: EngineRef
) -> None:
    api.on_call = lambda _method, _path: status(404, "the server could not find the resource")
    with pytest.raises(EngineMissingError, match="engineCluster"):
        argocd.check()
    with pytest.raises(EngineMissingError):
        argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)


def test_an_application_that_is_being_deleted_is_not_relied_on(
    argocd: ArgoCdHook, api: ApiServer, engine: EngineRef
) -> None:
    deleting = {"metadata": {"name": NAME, "deletionTimestamp": "2026-11-24T00:00:00Z"}}
    api.on_call = lambda method, _path: answer(deleting) if method == "PATCH" else None
    with pytest.raises(EngineBusyError):
        argocd.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)


def test_healthy_is_waited_for_and_degraded_is_told(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef
) -> None:
    made = folder(engine=engine)
    argocd.bring([made], commit=COMMIT, timeout=MINUTE)
    argocd.confirm([made.place], timeout=MINUTE)
    argo.health = "Degraded"
    argocd.bring([made], commit=LATER, timeout=MINUTE)
    with pytest.raises(NotHealthyError, match=f"{NAME}: Synced, Degraded"):
        argocd.confirm([made.place], timeout=MINUTE)


def test_an_application_that_is_gone_is_removed_already(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef, api: ApiServer
) -> None:
    made = folder(engine=engine)
    argocd.bring([made], commit=COMMIT, timeout=MINUTE)
    for _ in range(2):
        argocd.remove(made.place)
    assert api.objects[APPLICATIONS] == {}


def own(name: str, *, path: str, repo: str = DR, cluster: str | None = None) -> dict:
    """An Application that a user made."""
    return {
        "metadata": {"name": name, "resourceVersion": "1"},
        "spec": {
            "source": {"repoURL": repo, "path": path},
            "destination": {"name": cluster} if cluster else {"server": "https://10.0.0.1"},
            "syncPolicy": {"syncOptions": ["ServerSideApply=true"]},
        },
    }


def test_the_users_own_application_of_a_folder_is_synced_with_its_own_options(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef, api: ApiServer
) -> None:
    api.add(
        APPLICATIONS,
        own("all", path="."),
        own("other", path="package"),
        own("elsewhere", path="packages/video", cluster="cluster3"),
        own("mine", path="packages/video/", repo="git@git.example:nephio/dr"),
    )
    read = folder(engine=engine, path="packages/video")
    assert argocd.apply_known(read, commit=COMMIT, timeout=MINUTE) == "mine"
    assert argo.synced == [("mine", COMMIT)]
    state = api.objects[APPLICATIONS]["mine"]["status"]["operationState"]
    asked = state["operation"]["sync"]
    assert (asked["syncOptions"], asked["prune"]) == (["ServerSideApply=true"], False)


def test_two_applications_that_may_both_be_the_one_are_left_alone(
    argocd: ArgoCdHook, argo: FakeArgoCd, engine: EngineRef, api: ApiServer
) -> None:
    api.add(APPLICATIONS, own("one", path=PATH), own("two", path=PATH))
    assert argocd.apply_known(folder(engine=engine), commit=COMMIT, timeout=MINUTE) is None
    assert argo.synced == []
