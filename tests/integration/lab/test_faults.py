"""A cluster dies, is cut off, and comes back: what the failover's tests build on."""

from collections.abc import Iterator

import pytest

from lab import processes
from lab.client import Client, deployment, wait_for
from lab.description import LabDescription
from lab.faults import PARTS, ClusterFaults, Part
from lab.poller import Poller
from lab.push import push_checkpoint


@pytest.fixture
def faults(lab: LabDescription, target: Client) -> Iterator[ClusterFaults]:
    faults = ClusterFaults(lab, cluster=target.cluster)
    yield faults
    faults.heal()


def boot_id(client: Client) -> str:
    return client.node.run("cat", "/proc/sys/kernel/random/boot_id").strip()


def mac(client: Client) -> str:
    return client.node.run("cat", "/sys/class/net/eth0/address").strip()


@pytest.mark.parametrize("order", [PARTS, tuple(reversed(PARTS))])
def test_a_killed_cluster_boots_again_and_starts_what_its_store_wants(
    target: Client, faults: ClusterFaults, image: str, order: tuple[Part, ...]
) -> None:
    target.apply(deployment(image))
    pod = target.ready_pod()
    before, boot, card = target.inside(pod), boot_id(target), mac(target)
    faults.kill()
    assert not faults.server.ready()
    assert processes.inside(faults._namespaces()) == []
    assert faults.gitops.daemon.pid() is None
    faults.restore(order=order)
    again = target.ready_pod()
    assert again["metadata"]["uid"] == pod["metadata"]["uid"]
    assert target.inside(again)["id"] != before["id"], "memory is gone"
    assert boot_id(target) != boot
    assert mac(target) == card, "neighbours would go on to send to the old one"
    faults.gitops.wait_ready()


def test_a_restored_pod_is_restored_from_its_checkpoint_again_after_a_reboot(
    lab: LabDescription, source: Client, target: Client, faults: ClusterFaults, image: str
) -> None:
    """What makes a source that returns dangerous: the same id, and an old counter."""
    source.apply(deployment(image))
    pod = source.ready_pod()
    kept = source.inside(pod, "/")
    target.apply(deployment(push_checkpoint(source.checkpoint(pod), lab=lab)))
    for _ in range(3):
        target.inside(target.ready_pod(), "/")
    faults.kill()
    faults.restore()
    again = target.inside(target.ready_pod())
    assert (again["id"], again["counter"]) == (kept["id"], kept["counter"])


def test_a_client_inside_a_partition_is_answered_and_nobody_else(
    lab: LabDescription, source: Client
) -> None:
    access = lab.clusters[source.cluster]
    faults = ClusterFaults(lab, cluster=source.cluster)
    inside = {source.cluster: access.netns}
    outside = f"{source.cluster}: TimeoutError"
    with Poller({source.cluster: access.app_url}, inside=inside) as poller:
        wait_for(lambda: poller.report().answers > 10, what="both clients are answered")
        try:
            faults.partition()
            missed = poller.report().failures.get(outside, 0) + 2
            wait_for(
                lambda: poller.report().failures.get(outside, 0) > missed,
                what="the client outside is not answered",
            )
            before = poller.report().answers
            wait_for(lambda: poller.report().answers > before + 10, what="the one inside is")
        finally:
            faults.heal()
    assert poller.report().problems == ()


def test_behind_a_partition_everything_goes_on(
    target: Client, faults: ClusterFaults, image: str
) -> None:
    target.apply(deployment(image))
    pod = target.ready_pod()
    before = target.inside(pod)
    faults.partition()
    assert not faults.server.ready()
    assert target.inside(pod, "/")["counter"] == before["counter"] + 1, "reached from its own side"
    assert faults.server.daemon.pid() is not None
    faults.heal()
    wait_for(faults.server.ready, what="the API server answers again")
    assert target.inside(target.ready_pod())["id"] == before["id"]
