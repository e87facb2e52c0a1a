"""The doctor's rounds: what is away or wrong is said where it is, and hides nothing else."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_transition.core.doctor import Check, Finding, Status
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.hooks.connection import ConnectionNotGivenError
from airflow_transition.hooks.kubelet_road import Road
from airflow_transition.operators.checkup import Checkup
from airflow_transition.operators.doctor import NotWellError, TransitionDoctorOperator
from tests.unit.operators.conftest import put_outside
from tests.unit.operators.doctor_world import Outside, lay
from tests.unit.operators.world import SOURCE, TARGET, FakeReceiver, World

Changed = dict[str, Any]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Without virtual time: threads wait for each other here."""
    made = World.create()
    put_outside(monkeypatch, made)
    return made


@pytest.fixture
def out(world: World, monkeypatch: pytest.MonkeyPatch) -> Outside:
    return lay(monkeypatch, world)


def ills(policy: ClusterPolicy) -> dict[tuple[Check, str], Finding]:
    report = Checkup([policy]).run()
    return {(one.check, one.subject): one for one in report.not_well}


def changed(policy: ClusterPolicy, **spec: Any) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"] |= spec
    return ClusterPolicy.of_document(document)


def in_namespace(policy: ClusterPolicy) -> ClusterPolicy:
    packages = policy.model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]
    (package,) = packages["packageSelectors"]
    return changed(policy, packageSelectors=[{**package, "namespace": "shop"}])


def test_a_site_that_has_all_is_well_and_each_part_was_looked_at(
    policy: ClusterPolicy, out: Outside
) -> None:
    out.cloud = "10.244.0.0/16"
    report = Checkup([in_namespace(policy)]).run()
    assert report.not_well == ()
    looked = {finding.check for finding in report.findings}
    # There is no Flannel, Podman does not go by runc.conf, and no policy names an engine.
    assert looked == set(Check) - {Check.NETWORK_POLICY, Check.RUNC_CONF, Check.ENGINE}


def test_nothing_is_changed_by_looking(policy: ClusterPolicy, out: Outside, world: World) -> None:
    Checkup([policy]).run()
    assert world.moment_of_attempt == 0
    assert world.receiver.given == {}


@pytest.mark.parametrize(
    ("away", "checks"),
    [
        (f"kube:{TARGET}", {(Check.API_SERVER, TARGET)}),
        (f"git:{TARGET}", {(Check.GIT, TARGET)}),
        ("registry", {(Check.REGISTRY, "registry")}),
        ("receiver", {(Check.RECEIVER, "receiver")}),
    ],
)
def test_what_is_away_hides_nothing_else(
    policy: ClusterPolicy, out: Outside, world: World, away: str, checks: set[tuple[Check, str]]
) -> None:
    before = Checkup([policy]).run()
    world.away.add(away)
    after = Checkup([policy]).run()
    assert {(one.check, one.subject) for one in after.failed} == checks
    lost = {one.check for one in before.findings} - {one.check for one in after.findings}
    assert lost <= {Check.REGISTRY_PRIVATE, Check.REGISTRY_DELETION, Check.HEARTBEAT}


def test_a_store_that_is_away_is_said_for_each_thing_that_it_holds(
    policy: ClusterPolicy, out: Outside, world: World
) -> None:
    world.away.add("store")
    found = ills(policy)
    assert found[Check.BUCKET, "bucket"].status is Status.FAILED
    assert found[Check.AGENT, SOURCE].status is Status.UNKNOWN
    assert found[Check.CHECKPOINT, SOURCE].status is Status.UNKNOWN
    assert found[Check.REGISTRY_PRIVATE, "registry"].status is Status.UNKNOWN


def test_what_nobody_foresaw_is_a_finding_and_its_text_stays_secret(
    policy: ClusterPolicy, out: Outside
) -> None:
    out.namespaces["shop"] = ZeroDivisionError("password")
    finding = ills(in_namespace(policy))[Check.NAMESPACE, TARGET]
    assert "ZeroDivisionError" in finding.found
    assert "password" not in finding.sentence


def test_a_missing_right_names_its_cluster(policy: ClusterPolicy, out: Outside) -> None:
    out.refused.add((TARGET, "list pods"))
    found = ills(policy)
    assert set(found) == {(Check.RIGHTS, TARGET)}
    assert "list pods" in found[Check.RIGHTS, TARGET].found


def test_where_kubelets_are_asked_themselves_nobody_asks_for_the_proxy(
    policy: ClusterPolicy, out: Outside
) -> None:
    out.refused |= {(SOURCE, "create nodes/proxy"), (TARGET, "create nodes/proxy")}
    assert set(ills(policy)) == {(Check.RIGHTS, SOURCE), (Check.RIGHTS, TARGET)}
    out.roads = {SOURCE: Road.KUBELET}
    assert set(ills(policy)) == {(Check.RIGHTS, TARGET)}
    out.refused.add((SOURCE, "create nodes/checkpoint"))
    assert "create nodes/checkpoint" in ills(policy)[Check.RIGHTS, SOURCE].found


def test_a_move_asks_for_its_own_rights_only(policy: ClusterPolicy, out: Outside) -> None:
    """No checkpoint is asked of the cluster that it comes to, and no failover of any."""
    out.refused |= {(TARGET, "create nodes/proxy"), (TARGET, "patch deployments.apps")}
    assert Checkup([policy], leaving=SOURCE).run().failed == ()
    out.refused.add((SOURCE, "create nodes/proxy"))
    (finding,) = Checkup([policy], leaving=SOURCE).run().failed
    assert (finding.check, finding.subject) == (Check.RIGHTS, SOURCE)


def test_a_cluster_in_which_nothing_applies_git_is_told(
    policy: ClusterPolicy, out: Outside
) -> None:
    out.groups = frozenset({"apps"})
    assert {check for check, _ in ills(policy)} == {Check.GITOPS}


def test_an_agent_that_is_heard_and_writes_no_facts_does_not_reach_s3(
    policy: ClusterPolicy, out: Outside, world: World
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    report = Checkup([policy], now=later).run()
    found = {one.subject: one.found for one in report.failed if one.check is Check.AGENT}
    assert "S3 is away" in found[SOURCE]


def test_a_public_registry_is_a_warning_where_every_policy_allows_it(
    policy: ClusterPolicy, out: Outside
) -> None:
    out.registry_open = True
    allowing = changed(policy, registry={"mayBePublic": True})
    assert ills(allowing)[Check.REGISTRY_PRIVATE, "registry"].status is Status.WARNING
    report = Checkup([allowing, policy]).run()
    assert [one.check for one in report.failed] == [Check.REGISTRY_PRIVATE]


def test_a_public_bucket_and_a_public_registry_fail(policy: ClusterPolicy, out: Outside) -> None:
    out.bucket_open, out.registry_open = ["list its objects", "read its objects"], True
    found = ills(policy)
    assert {one.status for one in found.values()} == {Status.FAILED}
    bucket = found[Check.BUCKET_PRIVATE, "bucket"]
    assert "anybody may list its objects and read its objects" in bucket.found
    assert (Check.REGISTRY_PRIVATE, "registry") in found


def test_a_registry_that_deletes_nothing_is_a_warning(policy: ClusterPolicy, out: Outside) -> None:
    out.deletes = False
    assert ills(policy)[Check.REGISTRY_DELETION, "registry"].status is Status.WARNING


def test_before_the_first_checkpoint_what_it_would_prove_is_unknown(
    policy: ClusterPolicy, out: Outside, world: World
) -> None:
    world.restore_points.clear()
    found = ills(policy)
    assert set(found) == {(Check.CHECKPOINT, SOURCE), (Check.REGISTRY_PRIVATE, "registry")}
    assert {one.status for one in found.values()} == {Status.UNKNOWN}


def test_a_package_that_no_repository_wants_fails_with_the_cure(
    policy: ClusterPolicy, out: Outside, world: World
) -> None:
    world.source.files = {}
    finding = ills(policy)[Check.PACKAGE, "clusterpolicy-sample: video"]
    assert finding.status is Status.FAILED
    assert "scale it up" in str(finding.cure)


def test_a_package_whose_repositories_are_away_is_not_known(
    policy: ClusterPolicy, out: Outside, world: World
) -> None:
    world.away |= {f"git:{SOURCE}", f"git:{TARGET}"}
    found = ills(policy)
    assert found[Check.PACKAGE, "clusterpolicy-sample: video"].status is Status.UNKNOWN


def test_a_namespace_that_the_target_refuses_is_not_known(
    policy: ClusterPolicy, out: Outside
) -> None:
    out.namespaces["shop"] = False
    assert ills(in_namespace(policy)) == {}
    out.namespaces["shop"] = PermanentError("refused", where="there", do="allow it")
    assert ills(in_namespace(policy))[Check.NAMESPACE, TARGET].status is Status.UNKNOWN


def test_silent_agents_fail(policy: ClusterPolicy, out: Outside, world: World) -> None:
    world.receiver.silent.add(SOURCE)
    assert set(ills(policy)) == {(Check.HEARTBEAT, SOURCE)}


@pytest.mark.parametrize(("mode", "fails"), [("Automatic", True), ("Manual", False)])
def test_without_a_receiver_only_a_policy_that_needs_one_fails(
    policy: ClusterPolicy,
    out: Outside,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    *,
    fails: bool,
) -> None:
    def not_given(_: Any) -> None:
        raise ConnectionNotGivenError("no connection", where="receiver", do="make it")

    monkeypatch.setattr(FakeReceiver, "client", property(not_given))
    found = ills(changed(policy, failover={"mode": mode}))
    assert ((Check.RECEIVER, "receiver") in found) is fails


def test_two_policies_of_the_same_clusters_are_one_visit(
    policy: ClusterPolicy, out: Outside
) -> None:
    other = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    other["metadata"]["name"] = "other"
    report = Checkup([policy, ClusterPolicy.of_document(other)]).run()
    assert [one.check for one in report.findings].count(Check.API_SERVER) == 2
    assert [one.check for one in report.findings].count(Check.PACKAGE) == 2


def test_the_task_gives_the_report_and_fails_where_a_check_did(
    policy: ClusterPolicy, out: Outside, world: World
) -> None:
    task = TransitionDoctorOperator(task_id="doctor", policies=[policy])
    made = task.execute({})
    assert {one["status"] for one in made["findings"]} == {"ok"}
    world.away.add("registry")
    with pytest.raises(NotWellError, match="failed: registry: registry"):
        task.execute({})


def test_a_warning_fails_the_task_only_where_that_is_asked_for(
    policy: ClusterPolicy, out: Outside
) -> None:
    out.deletes = False
    TransitionDoctorOperator(task_id="doctor", policies=[policy]).execute({})
    strict = TransitionDoctorOperator(task_id="strict", policies=[policy], fail_on_warning=True)
    with pytest.raises(NotWellError):
        strict.execute({})


def test_the_rounds_take_as_long_as_their_slowest_answer_is_allowed(
    policy: ClusterPolicy, out: Outside
) -> None:
    begun = time.monotonic()
    Checkup([policy]).run()
    assert time.monotonic() - begun < 20
