"""Flux is asked for a commit by annotations, the source first, and says what it applied."""

import pytest
import yaml

from airflow_transition.core.engine import EngineFolder, EngineRef
from airflow_transition.core.engine_objects import objects_file
from airflow_transition.hooks.flux import FluxHook
from airflow_transition.hooks.gitops_engine import (
    EngineFailedError,
    EngineMissingError,
    NotHealthyError,
    NotSyncedError,
)
from airflow_transition.hooks.polling import Poll
from tests.fake_engines import KUSTOMIZATIONS, REQUESTED, SOURCES, FakeFlux

from .api_server import ApiServer, status
from .conftest import Clock
from .test_argocd import COMMIT, DR, LATER, MINUTE, NAME, PATH, folder

SOURCE = "cluster2-aws-dr"


@pytest.fixture
def engine(cluster: str) -> EngineRef:
    return EngineRef(kind="flux", cluster=cluster, namespace="flux-system", secret="dr-git")


@pytest.fixture
def heads() -> list[str]:
    """The branch's newest commit, last."""
    return [COMMIT]


@pytest.fixture
def controllers(api: ApiServer, clock: Clock, heads: list[str]) -> FakeFlux:
    made = FakeFlux(
        api,
        head=lambda _repo, _branch: heads[-1],
        checkout=lambda _repo, revision, path: {path: revision},
    )
    clock.on_sleep = made.step
    return made


@pytest.fixture
def flux(engine: EngineRef, controllers: FakeFlux, clock: Clock) -> FluxHook:
    return FluxHook(engine, poll=Poll(clock=lambda: clock.now, sleep=clock.sleep))


def test_the_objects_are_made_and_the_commit_is_applied(
    flux: FluxHook, controllers: FakeFlux, engine: EngineRef, api: ApiServer
) -> None:
    flux.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    assert controllers.applied == {NAME: {PATH: COMMIT}}
    source = api.objects[SOURCES][SOURCE]
    assert source["spec"]["url"] == DR
    assert source["spec"]["secretRef"] == {"name": "dr-git"}
    applied = api.objects[KUSTOMIZATIONS][NAME]["status"]["lastAppliedRevision"]
    assert applied == f"main@sha1:{COMMIT}"


def test_a_commit_that_came_later_holds_ours(
    flux: FluxHook, controllers: FakeFlux, engine: EngineRef, heads: list[str]
) -> None:
    heads.append(LATER)
    flux.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    assert controllers.applied == {NAME: {PATH: LATER}}


def test_what_was_fetched_before_the_request_is_not_believed(
    flux: FluxHook, controllers: FakeFlux, engine: EngineRef, heads: list[str]
) -> None:
    flux.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    heads.append(LATER)
    flux.bring([folder(engine=engine)], commit=LATER, timeout=MINUTE)
    assert controllers.applied == {NAME: {PATH: LATER}}


def test_one_source_is_asked_once_for_all_packages_of_a_target(
    flux: FluxHook, controllers: FakeFlux, engine: EngineRef, api: ApiServer
) -> None:
    folders = [folder(engine=engine, name=f"dr.{number}") for number in range(5)]
    flux.bring(folders, commit=COMMIT, timeout=MINUTE)
    assert set(controllers.applied) == {f"dr.{number}" for number in range(5)}
    asked = [path for method, path in api.calls if method == "PATCH" and path.startswith(SOURCES)]
    assert len(asked) == 2  # made, and asked


def test_what_flux_says_of_a_failure_is_in_the_error(
    flux: FluxHook, controllers: FakeFlux, engine: EngineRef
) -> None:
    controllers.breaks = "Deployment/shop/video dry-run failed: quota exceeded"
    with pytest.raises(EngineFailedError, match="quota exceeded"):
        flux.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)


def test_flux_that_does_not_act_is_told_with_what_it_said_last(
    flux: FluxHook, clock: Clock, engine: EngineRef
) -> None:
    clock.on_sleep = lambda: None
    with pytest.raises(NotSyncedError, match=f"{SOURCE}: Ready Unknown: no condition yet"):
        flux.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)


def test_a_request_that_somebody_else_makes_meanwhile_is_as_good_as_ours(
    flux: FluxHook, controllers: FakeFlux, engine: EngineRef, api: ApiServer, clock: Clock
) -> None:
    def interfere() -> None:
        for item in (*api.objects[SOURCES].values(), *api.objects[KUSTOMIZATIONS].values()):
            item["metadata"].setdefault("annotations", {})[REQUESTED] = "by a person"
        controllers.step()

    clock.while_sleeping(interfere, controllers.step, controllers.step, controllers.step)
    flux.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)
    assert controllers.applied == {NAME: {PATH: COMMIT}}


def test_a_cluster_without_flux_is_named(flux: FluxHook, api: ApiServer, engine: EngineRef) -> None:
    api.on_call = lambda _method, _path: status(404, "the server could not find the resource")
    with pytest.raises(EngineMissingError, match="engineCluster"):
        flux.check()
    with pytest.raises(EngineMissingError):
        flux.bring([folder(engine=engine)], commit=COMMIT, timeout=MINUTE)


def test_ready_is_waited_for_and_its_lack_is_told(
    flux: FluxHook, controllers: FakeFlux, engine: EngineRef, api: ApiServer
) -> None:
    made = folder(engine=engine)
    flux.bring([made], commit=COMMIT, timeout=MINUTE)
    flux.confirm([made.place], timeout=MINUTE)
    api.objects[KUSTOMIZATIONS][NAME]["status"]["conditions"][0] |= {
        "status": "False",
        "message": "health check failed",
    }
    with pytest.raises(NotHealthyError, match=f"{NAME}: Ready False: health check failed"):
        flux.confirm([made.place], timeout=MINUTE)


def test_a_kustomization_that_is_gone_is_removed_already(
    flux: FluxHook, engine: EngineRef, api: ApiServer
) -> None:
    made = folder(engine=engine)
    flux.bring([made], commit=COMMIT, timeout=MINUTE)
    for _ in range(2):
        flux.remove(made.place)
    assert api.objects[KUSTOMIZATIONS] == {}


def test_the_users_own_kustomization_of_a_folder_is_reconciled(
    flux: FluxHook, controllers: FakeFlux, engine: EngineRef, api: ApiServer
) -> None:
    source = {"url": DR.removesuffix(".git"), "ref": {"branch": "main"}}
    api.add(SOURCES, {"metadata": {"name": "fleet"}, "spec": source})
    reference = {"kind": "GitRepository", "name": "fleet"}
    for name, path in (("apps", "./packages"), ("other", "./packages/other")):
        spec = {"path": path, "sourceRef": reference}
        api.add(KUSTOMIZATIONS, {"metadata": {"name": name}, "spec": spec})
    read = folder(engine=engine, path="packages/video")
    assert flux.apply_known(read, commit=COMMIT, timeout=MINUTE) == "apps"
    assert controllers.applied == {"apps": {"packages": COMMIT}}


def test_manifests_without_a_namespace_get_the_workloads(engine: EngineRef) -> None:
    made = folder(engine=engine)
    (text,) = objects_file(made).values()
    assert "targetNamespace" not in yaml.safe_load(text)["spec"]
    unnamed = EngineFolder(made.place, repo_url=DR, namespace="shop", names_namespace=False)
    (text,) = objects_file(unnamed).values()
    assert yaml.safe_load(text)["spec"]["targetNamespace"] == "shop"


def test_a_hub_reaches_its_clusters_by_the_secrets_of_cluster_api(
    engine: EngineRef, cluster: str
) -> None:
    (hub,) = objects_file(folder(engine=engine)).values()
    reference = {"secretRef": {"name": "cluster2-aws-kubeconfig"}}
    assert yaml.safe_load(hub)["spec"]["kubeConfig"] == reference
    (own,) = objects_file(folder(engine=engine, place=cluster)).values()
    assert "kubeConfig" not in yaml.safe_load(own)["spec"]
