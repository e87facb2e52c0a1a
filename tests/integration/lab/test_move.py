import json
import tarfile

from lab.client import Client, deployment, wait_for
from lab.description import LabDescription
from lab.push import push_checkpoint


def test_a_process_moves_to_the_other_cluster_with_its_memory(
    lab: LabDescription, source: Client, target: Client, image: str
) -> None:
    source.apply(deployment(image))
    pod = source.ready_pod()
    before = source.inside(pod, "/")

    archive = source.checkpoint(pod)
    reference = push_checkpoint(archive, lab=lab)
    target.apply(deployment(reference))
    restored = target.ready_pod()

    after = target.inside(restored, "/")
    assert after["id"] == before["id"]
    assert after["counter"] == before["counter"] + 1
    (status,) = restored["status"]["containerStatuses"]
    assert status["restartCount"] == 0
    assert status["image"] == image, "the status shows the base image, as containerd's does"
    assert restored["spec"]["containers"][0]["image"] == reference


def test_the_source_goes_on_after_its_checkpoint(source: Client, image: str) -> None:
    source.apply(deployment(image))
    pod = source.ready_pod()
    before = source.inside(pod, "/")
    source.checkpoint(pod)
    assert source.inside(pod, "/") | {"position": 0} == before | {
        "counter": before["counter"] + 1,
        "position": 0,
    }


def test_the_archive_of_a_restored_pod_names_the_pod_that_it_is_in_now(
    lab: LabDescription, source: Client, target: Client, image: str
) -> None:
    source.apply(deployment(image))
    first = push_checkpoint(source.checkpoint(source.ready_pod()), lab=lab)
    target.apply(deployment(first, name="second"))
    pod = target.ready_pod()
    archive = target.checkpoint(pod)
    with tarfile.open(archive) as tar:
        file = tar.extractfile("spec.dump")
        assert file is not None
        annotations = json.load(file)["annotations"]
    assert annotations["io.kubernetes.cri.sandbox-name"] == pod["metadata"]["name"]
    assert annotations["io.kubernetes.cri.sandbox-namespace"] == target.namespace
    assert annotations["io.kubernetes.cri.container-name"] == "app"

    identity = target.inside(pod)["id"]
    target.delete("Deployment", name="second")
    wait_for(lambda: not target.pods(), what="the second copy ends")
    source.delete("Deployment", name="player")
    wait_for(lambda: not source.pods(), what="the first copy ends")
    source.apply(deployment(push_checkpoint(archive, lab=lab), name="third"))
    assert source.inside(source.ready_pod())["id"] == identity


def test_a_restored_container_that_dies_is_restored_again(
    lab: LabDescription, source: Client, target: Client, image: str
) -> None:
    source.apply(deployment(image))
    reference = push_checkpoint(source.checkpoint(source.ready_pod()), lab=lab)
    target.apply(deployment(reference))
    pod = target.ready_pod()
    before = target.inside(pod, "/")
    name = f"{target.namespace}_{pod['metadata']['name']}_app"
    target.node.run("podman", "kill", name)

    def restarted() -> bool:
        (found,) = target.pods()
        return bool(found["status"]["containerStatuses"][0]["restartCount"] == 1)

    wait_for(restarted, what="the restart is counted")
    after = target.inside(target.ready_pod(), "/")
    assert (after["id"], after["counter"]) == (before["id"], before["counter"])


def test_a_checkpoint_that_cannot_be_restored_waits_and_is_never_started_cold(
    lab: LabDescription, source: Client, target: Client, image: str
) -> None:
    source.apply(deployment(image))
    archive = source.checkpoint(source.ready_pod())
    broken = archive.with_suffix(".broken")
    with tarfile.open(archive) as good, tarfile.open(broken, "w") as bad:
        for member in good:
            if "pages-" not in member.name:
                bad.addfile(member, good.extractfile(member) if member.isreg() else None)
    target.apply(deployment(push_checkpoint(broken, lab=lab)))

    def waiting() -> str | None:
        (pod,) = target.pods()
        statuses = pod["status"].get("containerStatuses", [{"state": {}}])
        found = statuses[0]["state"].get("waiting", {})
        return found["message"] if found.get("reason") == "CreateContainerError" else None

    message = wait_for(waiting, what="the container waits with the runtime's message")
    assert "restore" in message.lower() or "criu" in message.lower()
    listed = target.node.run("podman", "ps", "--format", "{{.Names}}").split()
    assert not [name for name in listed if name.startswith(target.namespace) and "_app" in name]


def test_a_pod_with_an_empty_dir_is_restored_with_a_new_one(
    lab: LabDescription, source: Client, target: Client, image: str
) -> None:
    mount = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
    volumes = [{"name": "scratch", "emptyDir": {}}]
    source.apply(deployment(image, container=mount, volumes=volumes))
    pod = source.ready_pod()
    reference = push_checkpoint(source.checkpoint(pod), lab=lab)
    target.apply(deployment(reference, container=mount, volumes=volumes))
    assert target.inside(target.ready_pod())["id"] == source.inside(pod)["id"]


def test_all_containers_of_a_pod_move(
    lab: LabDescription, source: Client, target: Client, image: str
) -> None:
    def pod_of(*images: str) -> dict[str, object]:
        wanted = deployment(images[0])
        (first,) = wanted["spec"]["template"]["spec"]["containers"]
        second = {"name": "side", "image": images[1], "env": [{"name": "PORT", "value": "8081"}]}
        wanted["spec"]["template"]["spec"]["containers"] = [first, second]
        return wanted

    source.apply(pod_of(image, image))
    pod = source.ready_pod()
    images = [
        push_checkpoint(source.checkpoint(pod, container=name), lab=lab) for name in ("app", "side")
    ]
    target.apply(pod_of(*images))
    restored = target.ready_pod()
    assert target.inside(restored)["id"] == source.inside(pod)["id"]
    assert target.inside(restored, port=8081)["id"] == source.inside(pod, port=8081)["id"]
