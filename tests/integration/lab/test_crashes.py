import threading

from lab.client import Client, deployment, wait_for
from lab.cluster_server import ClusterServer
from lab.description import LabDescription
from lab.push import push_checkpoint


def server_of(client: Client, *, lab: LabDescription) -> ClusterServer:
    return ClusterServer(node=client.node, lab=lab)


def test_pods_outlive_the_api_server_and_are_found_again(
    lab: LabDescription, source: Client, image: str
) -> None:
    source.apply(deployment(image))
    pod = source.ready_pod()
    before = source.inside(pod, "/")
    server = server_of(source, lab=lab)
    server.kill()
    assert source.inside(pod, "/")["counter"] == before["counter"] + 1
    server.start()
    server.wait_ready()
    again = source.ready_pod()
    assert again["metadata"]["uid"] == pod["metadata"]["uid"]
    assert again["status"]["containerStatuses"][0]["restartCount"] == 0
    after = source.inside(again, "/")
    assert (after["id"], after["counter"]) == (before["id"], before["counter"] + 2)


def test_a_restore_that_the_server_did_not_survive_ends_with_one_copy(
    lab: LabDescription, source: Client, target: Client, image: str
) -> None:
    source.apply(deployment(image, container={"env": [{"name": "HEAP_MIB", "value": "64"}]}))
    pod = source.ready_pod()
    identity = source.inside(pod)["id"]
    reference = push_checkpoint(source.checkpoint(pod), lab=lab)
    target.apply(deployment(reference))
    server = server_of(target, lab=lab)

    def restoring() -> bool:
        listed = target.node.run("podman", "ps", "--all", "--format", "{{.Names}}")
        return f"{target.namespace}_player" in listed

    wait_for(restoring, what="the restore has begun")
    for _ in range(3):
        server.kill()
        server.start()
        server.wait_ready()
    restored = target.ready_pod()
    assert target.inside(restored)["id"] == identity
    names = target.node.run("podman", "ps", "--format", "{{.Names}}").split()
    running = [name for name in names if name.startswith(target.namespace) and "_app" in name]
    assert len(running) == 1


def test_a_pod_deleted_while_the_server_was_down_does_not_stay(
    lab: LabDescription, source: Client, image: str
) -> None:
    source.apply(deployment(image))
    source.ready_pod()
    server = server_of(source, lab=lab)
    ending = threading.Thread(
        target=lambda: source.delete("Deployment", name="player"), daemon=True
    )
    ending.start()
    ending.join()
    server.kill()
    server.start()
    server.wait_ready()
    wait_for(lambda: not source.pods(), what="the pod is gone")
    names = source.node.run("podman", "ps", "--format", "{{.Names}}").split()
    assert not [name for name in names if name.startswith(source.namespace)]
