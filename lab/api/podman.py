"""The container runtime of the node: pods and containers in Podman, as a CRI runtime keeps them.

A pod of the cluster is a Podman pod `<namespace>_<name>` that carries the pod's uid as a label; its
containers are `<namespace>_<name>_<container>`. So a server that was killed finds its pods again,
and Podman itself refuses a second container of the same name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.api.commands import CommandFailedError, Runner
from lab.api.kinds import Object, labels_of, name_of, namespace_of

_UID_LABEL = "lab.pod-uid"
_USERDATA = Path("/var/lib/containers/storage/overlay-containers")


@dataclass(frozen=True)
class Image:
    """An image that is on the node."""

    id: str
    reference: str
    """By digest, where the registry's is known."""


@dataclass(frozen=True)
class Container:
    """A container as Podman knows it."""

    id: str
    running: bool
    pid: int
    exit_code: int
    image_name: str
    image_id: str
    started: str


@dataclass(frozen=True)
class Settings:
    """How a container is to be made, beyond its image."""

    annotations: Mapping[str, str]
    environment: Mapping[str, str]
    mounts: Mapping[Path, Path]
    """Place in the container -> folder on the node."""


class Podman:
    """Podman's command line on this node."""

    def __init__(self, runner: Runner, *, cgroup: str) -> None:
        self._runner = runner
        self._cgroup = cgroup

    async def pods(self) -> dict[str, str]:
        """Pod id -> uid of the cluster's pod, for every pod on the node."""
        listed = json.loads(await self._podman("pod", "ps", "--format", "json")) or []
        return {each["Id"]: (each.get("Labels") or {}).get(_UID_LABEL, "") for each in listed}

    async def start_pod(self, pod: Object) -> tuple[str, str, bool]:
        """Make the pod's namespaces unless they are there.

        Returns Podman's id, the address, and whether the pod is new, so that nothing is in it yet.
        """
        uid = pod["metadata"]["uid"]
        known = [found for found, label in (await self.pods()).items() if label == uid]
        infra = _infra_name(pod)
        if known and await self.container(infra) is None:  # Podman was killed as it made the pod
            await self.remove_pod(known.pop(), grace_seconds=0)
        pod_id = known[0] if known else await self._create_pod(pod)
        await self._podman("start", infra)
        address = await self._podman(
            *("container", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", infra)
        )
        return pod_id, address.strip(), not known

    async def remove_pod(self, pod_id: str, *, grace_seconds: int) -> None:
        """Ask its processes to end, end them when the grace is over, and forget the pod."""
        await self._podman("pod", "rm", "--force", "--ignore", f"--time={grace_seconds}", pod_id)

    async def pull(self, reference: str) -> Image:
        """Fetch an image from its registry."""
        await self._podman("pull", "--quiet", reference)
        found = await self.image(reference)
        if found is None:
            raise CommandFailedError(f"{reference} is not on the node after its pull")
        return found

    async def image(self, reference: str) -> Image | None:
        """The image if it is on the node."""
        try:
            (found,) = json.loads(await self._podman("image", "inspect", reference))
        except CommandFailedError as error:
            if "unable to inspect" in str(error) or "image not known" in str(error):
                return None
            raise
        digests = found.get("RepoDigests") or []
        repository = reference.partition("@")[0].rpartition(":")[0] or reference
        return Image(
            id=found["Id"],
            reference=next((each for each in digests if each.startswith(repository)), reference),
        )

    async def container(self, name: str) -> Container | None:
        try:
            (found,) = json.loads(await self._podman("container", "inspect", name))
        except CommandFailedError as error:
            if "no such container" in str(error).lower():
                return None
            raise
        state = found["State"]
        return Container(
            id=found["Id"],
            running=state["Running"],
            pid=state["Pid"],
            exit_code=state["ExitCode"],
            image_name=found["ImageName"],
            image_id=found["Image"],
            started=state["StartedAt"],
        )

    async def create(
        self, spec: Object, *, name: str, pod_id: str, image: Image, settings: Settings
    ) -> None:
        """Make a container and start it."""
        arguments = ["create", "--pod", pod_id, "--name", name]
        for key, value in settings.annotations.items():
            arguments += ["--annotation", f"{key}={value}"]
        for place, folder in settings.mounts.items():
            arguments += ["--volume", f"{folder}:{place}"]
        # Podman takes a variable without a value from its own environment: none is in argv.
        hidden = {key: value for key, value in settings.environment.items() if key != "PATH"}
        for key in hidden:
            arguments += ["--env", key]
        if path := settings.environment.get("PATH"):
            arguments += ["--env", f"PATH={path}"]
        if "command" in spec:
            arguments += ["--entrypoint", json.dumps(spec["command"])]
        if "workingDir" in spec:
            arguments += ["--workdir", spec["workingDir"]]
        await self._podman(*arguments, image.reference, *spec.get("args", ()), env=hidden)
        await self._podman("start", name)

    async def restore(
        self, *, name: str, pod_id: str, archive: Path, annotations: Mapping[str, str]
    ) -> None:
        """Bring the process of a checkpoint archive back to life in this pod."""
        restored = await self._podman(
            *("container", "restore", "--pod", pod_id, "--name", name),
            f"--import={archive}",
        )
        _rename_sandbox(restored.split()[-1], annotations=annotations)

    async def remove_container(self, name: str) -> None:
        await self._podman("rm", "--force", "--ignore", "--time=0", name)

    async def checkpoint(self, name: str, *, archive: Path) -> None:
        """Write the container's state to `archive` and let it go on."""
        await self._podman(
            *("container", "checkpoint", "--leave-running", "--compress=none"),
            *(f"--export={archive}", name),
        )

    async def version(self) -> str:
        return (await self._podman("version", "--format", "{{.Client.Version}}")).strip()

    async def _create_pod(self, pod: Object) -> str:
        arguments = (
            *("pod", "create", "--name", pod_name(pod), "--infra-name", _infra_name(pod)),
            *("--label", f"{_UID_LABEL}={pod['metadata']['uid']}", "--share=net,ipc,uts"),
            *_labels(pod),
            *("--hostname", pod["spec"].get("hostname", name_of(pod))),
            *("--cgroup-parent", self._cgroup, "--network=bridge"),
        )
        try:
            return (await self._podman(*arguments)).strip()
        except CommandFailedError as error:
            if "already in use" not in str(error) and "already exists" not in str(error):
                raise
        # One of the same name but another uid is what is left of a pod before this one.
        await self._podman("pod", "rm", "--force", "--ignore", "--time=0", pod_name(pod))
        return (await self._podman(*arguments)).strip()

    async def _podman(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        return await self._runner.run("podman", *arguments, env=env)


def pod_name(pod: Object) -> str:
    return f"{namespace_of(pod)}_{name_of(pod)}"


def _labels(pod: Object) -> list[str]:
    """What the kubelet writes on a sandbox, so that the node knows its pods by label and name."""
    named = {
        "io.kubernetes.pod.namespace": namespace_of(pod),
        "io.kubernetes.pod.name": name_of(pod),
        "io.kubernetes.pod.uid": pod["metadata"]["uid"],
    }
    return [f"--label={key}={value}" for key, value in {**labels_of(pod), **named}.items()]


def _infra_name(pod: Object) -> str:
    return f"{pod_name(pod)}-infra"


def container_name(pod: Object, *, container: str) -> str:
    return f"{pod_name(pod)}_{container}"


def _rename_sandbox(container_id: str, *, annotations: Mapping[str, str]) -> None:
    """Let the next checkpoint tell the pod that the container is in now.

    containerd writes the new pod's names at restore; Podman keeps those of the checkpoint. The next
    `spec.dump` is made from this file.
    """
    file = _USERDATA / container_id / "userdata" / "config.json"
    spec = json.loads(file.read_bytes())
    spec["annotations"] = spec.get("annotations", {}) | dict(annotations)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(spec))
    partial.chmod(0o600)
    partial.replace(file)


def sandbox_annotations(pod: Object, *, container: str) -> dict[str, str]:
    """What containerd writes on a container's spec, and an archive's `spec.dump` carries."""
    return {
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": container,
        "io.kubernetes.cri.sandbox-name": name_of(pod),
        "io.kubernetes.cri.sandbox-namespace": namespace_of(pod),
        "io.kubernetes.cri.sandbox-uid": pod["metadata"]["uid"],
    }
