"""One pod on the node: its containers started or restored, watched, started again, and ended.

A container whose image is a checkpoint image is only ever restored. When that fails, it waits with
the runtime's message and is tried again; it is never started cold, for that would lose its memory
without anybody noticing.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.api import probes, volumes
from lab.api.commands import CommandFailedError
from lab.api.kinds import Object, name_of
from lab.api.podman import (
    Container,
    Image,
    Podman,
    Settings,
    container_name,
    sandbox_annotations,
)
from lab.api.registry import CheckpointImage, Registry
from lab.api.staging import stage, staged
from lab.api.store import Store, timestamp

log = logging.getLogger(__name__)

_FIRST_WAIT_SECONDS = 2.0
_LONGEST_WAIT_SECONDS = 10.0


@dataclass
class ContainerState:
    """What the node knows of one container of the pod."""

    spec: Object
    image: str = ""
    image_id: str = ""
    id: str = ""
    started: str = ""
    running: bool = False
    ready: bool = False
    restarts: int = 0
    reason: str = "ContainerCreating"
    message: str = ""
    last_exit: Object = field(default_factory=dict)
    fetching: "asyncio.Task[Image | Path] | None" = None
    """Its image is on the way while the pod's namespaces are made."""
    untouched: bool = False
    """The pod was just made, so there is no container to look for."""


class PodWorker:
    """Keeps one pod as its spec says until it is told to end it."""

    def __init__(
        self,
        pod: Object,
        *,
        podman: Podman,
        registry: Registry,
        store: Store,
        told: Callable[[], None],
    ) -> None:
        self.pod = pod
        self.address = ""
        self.started = timestamp()
        restarts = {
            each["name"]: each["restartCount"]
            for each in pod.get("status", {}).get("containerStatuses", ())
        }
        self.containers = [
            ContainerState(each, restarts=restarts.get(each["name"], 0))
            for each in pod["spec"]["containers"]
        ]
        self._podman = podman
        self._registry = registry
        self._store = store
        self._told = told
        self._pod_id = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return name_of(self.pod)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def end(self, *, grace_seconds: int) -> None:
        """Stop watching, end the processes, and leave nothing of the pod on the node."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            await self._stop_fetching()
        for pod_id, uid in (await self._podman.pods()).items():
            if uid == self.pod["metadata"]["uid"]:
                await self._podman.remove_pod(pod_id, grace_seconds=grace_seconds)
        volumes.remove(self.pod)

    def stop_watching(self) -> None:
        """The server ends; the containers go on."""
        if self._task:
            self._task.cancel()

    async def _stop_fetching(self) -> None:
        for state in self.containers:
            if state.fetching:
                state.fetching.cancel()
                with suppress(asyncio.CancelledError, CommandFailedError):
                    await state.fetching

    async def _run(self) -> None:
        wait = _FIRST_WAIT_SECONDS
        for state in self.containers:
            state.fetching = asyncio.create_task(self._fetch(state))
        while not self._pod_id:
            try:
                self._pod_id, self.address, new = await self._podman.start_pod(self.pod)
                for state in self.containers:
                    state.untouched = new
            except CommandFailedError as error:
                log.warning("pod %s: %s", self.name, error)
                self._wait_all("CreatePodSandboxError", message=str(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
        self._told()
        async with asyncio.TaskGroup() as group:
            for state in self.containers:
                group.create_task(self._keep(state))

    async def _keep(self, state: ContainerState) -> None:
        """Start the container, wait for its end, and start it again, each time a bit later."""
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                container = await self._ensure(state)
            except CommandFailedError as error:
                log.warning("container %s of %s: %s", state.spec["name"], self.name, error)
                self._wait(state, state.reason, message=str(error))
            except Exception as error:  # one container's surprise must not end the pod's others
                log.exception("container %s of %s", state.spec["name"], self.name)
                self._wait(state, state.reason, message=repr(error))
            else:
                self._runs(state, container)
                await self._watch(state, container)
                wait = await self._ended(state, wait=wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    async def _ensure(self, state: ContainerState) -> Container:
        """The running container: found, started or restored."""
        name = container_name(self.pod, container=state.spec["name"])
        untouched, state.untouched = state.untouched, False
        found = None if untouched else await self._podman.container(name)
        if found is None or not found.running:
            if not untouched:
                await self._podman.remove_container(name)
            await self._bring_up(state, name=name)
            found = await self._podman.container(name)
        if found is None or not found.running:
            state.reason = "RunContainerError"
            raise CommandFailedError(f"container {state.spec['name']} ended as it started")
        base = await self._podman.image(found.image_name)
        state.image = found.image_name
        state.image_id = base.reference if base else found.image_id
        return found

    async def _bring_up(self, state: ContainerState, *, name: str) -> None:
        """Start the container, or restore it if its image is a checkpoint."""
        annotations = sandbox_annotations(self.pod, container=state.spec["name"])
        state.reason = "ErrImagePull"
        fetching, state.fetching = state.fetching, None
        source = await (fetching or self._fetch(state))
        state.reason = "CreateContainerError"
        if isinstance(source, Path):
            await asyncio.to_thread(volumes.prepare_for, source)
            await self._podman.restore(
                name=name, pod_id=self._pod_id, archive=source, annotations=annotations
            )
            return
        await self._stage_volumes()
        settings = Settings(
            annotations=annotations,
            environment=volumes.environment(
                state.spec, pod=self.pod, address=self.address, store=self._store
            ),
            mounts=volumes.mounts(state.spec, pod=self.pod, store=self._store),
        )
        await self._podman.create(
            state.spec, name=name, pod_id=self._pod_id, image=source, settings=settings
        )

    async def _stage_volumes(self) -> None:
        """Fetch the images that are volumes of the pod; here their files are not mounted."""
        images = (each["image"] for each in self.pod["spec"].get("volumes", ()) if "image" in each)
        for image in images:
            base = await asyncio.to_thread(stage, image["reference"], registry=self._registry)
            if base is not None and await self._podman.image(base) is None:
                await self._podman.pull(base)

    async def _fetch(self, state: ContainerState) -> Image | Path:
        """The image on the node; of a checkpoint image, its archive, kept as long as the pod."""
        reference, container = state.spec["image"], state.spec["name"]
        archive = volumes.folder_of(self.pod) / f"{container}.checkpoint.tar"
        if archive.exists():
            return archive
        if staged(reference).exists():
            archive.parent.mkdir(parents=True, exist_ok=True)
            archive.hardlink_to(staged(reference))
            return archive
        if state.spec["imagePullPolicy"] != "Always":
            known = await self._podman.image(reference)
            if known is not None:
                return known
        checkpoint = await asyncio.to_thread(self._registry.checkpoint_image, reference)
        if checkpoint is None:
            return await self._podman.pull(reference)
        await asyncio.gather(
            asyncio.to_thread(self._registry.archive, checkpoint, into=archive),
            self._fetch_base(checkpoint),
        )
        return archive

    async def _fetch_base(self, checkpoint: CheckpointImage) -> None:
        """The base image comes while the archive does; else Podman pulls it when it restores."""
        base = await asyncio.to_thread(self._registry.base_image, checkpoint)
        if base is not None and await self._podman.image(base) is None:
            await self._podman.pull(base)

    def _runs(self, state: ContainerState, container: Container) -> None:
        state.id, state.started = container.id, _seconds(container.started)
        state.running, state.reason, state.message = True, "", ""
        state.ready = "readinessProbe" not in state.spec
        self._told()

    async def _watch(self, state: ContainerState, container: Container) -> None:
        """Probe the container until its process ends."""

        def tell(ready: bool) -> None:  # noqa: FBT001 - the probe's only word
            state.ready = ready
            self._told()

        probing = None
        if "readinessProbe" in state.spec:
            probing = asyncio.create_task(probes.watch(state.spec, address=self.address, tell=tell))
        try:
            await _process_end(container.pid)
        finally:
            if probing:
                probing.cancel()

    async def _ended(self, state: ContainerState, *, wait: float) -> float:
        name = container_name(self.pod, container=state.spec["name"])
        found = await self._podman.container(name)
        code = found.exit_code if found else -1
        state.last_exit = {
            "terminated": {
                "exitCode": code,
                "reason": "Completed" if code == 0 else "Error",
                "startedAt": state.started,
                "finishedAt": timestamp(),
                "containerID": f"podman://{state.id}",
            }
        }
        state.restarts += 1
        self._wait(state, "CrashLoopBackOff", message=f"ended with status {code}")
        return wait if state.restarts > 1 else 0.0

    def _wait(self, state: ContainerState, reason: str, *, message: str) -> None:
        state.running = state.ready = False
        state.reason, state.message = reason, message
        self._told()

    def _wait_all(self, reason: str, *, message: str) -> None:
        for state in self.containers:
            self._wait(state, reason, message=message)


async def _process_end(pid: int) -> None:
    """Wait for a process that is not our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _seconds(time: str) -> str:
    """Podman's time with fractions and zone, as Kubernetes writes it."""
    return time.partition(".")[0].removesuffix("Z") + "Z"
