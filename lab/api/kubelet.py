"""The kubelet of the one node: a worker for each pod, and the checkpoint call."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from starlette.responses import Response

from lab.api import pod_status
from lab.api.answers import plain_answer
from lab.api.commands import CommandFailedError
from lab.api.kinds import POD, Object, name_of, namespace_of
from lab.api.pod_worker import PodWorker
from lab.api.podman import Podman, container_name
from lab.api.pods import is_active
from lab.api.registry import Registry
from lab.api.store import Store

log = logging.getLogger(__name__)


class Kubelet:
    """Brings the node in line with the pods in the store."""

    def __init__(
        self,
        *,
        store: Store,
        podman: Podman,
        registry: Registry,
        node_address: str,
        checkpoints: Path,
    ) -> None:
        self._store = store
        self._podman = podman
        self._registry = registry
        self._address = node_address
        self._checkpoints = checkpoints
        self._workers: dict[str, PodWorker] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._dumping: set[str] = set()
        self._running: frozenset[str] = frozenset()

    async def adopt(self) -> None:
        """After a start: what runs for a pod that no longer exists is ended, the rest is kept."""
        wanted = {pod["metadata"]["uid"] for pod in self._store.each(POD)}
        for pod_id, uid in (await self._podman.pods()).items():
            if uid not in wanted:
                await self._podman.remove_pod(pod_id, grace_seconds=0)
        self._running = await self._podman.running_pods()

    def sync(self) -> None:
        """Give every pod its worker, and end those that are to go."""
        for pod in self._store.list(POD):
            uid = pod["metadata"]["uid"]
            if uid in self._ending:
                continue
            if uid not in self._workers:
                self._workers[uid] = PodWorker(
                    pod,
                    podman=self._podman,
                    registry=self._registry,
                    store=self._store,
                    told=self._teller(uid),
                )
                if is_active(pod):
                    self._workers[uid].start()
                if _was_up(pod) and uid not in self._running:
                    self._teller(uid)()  # the machine was rebooted: what the store says is past
            if not is_active(pod):
                self._ending[uid] = asyncio.create_task(self._end(pod))

    async def stop(self) -> None:
        """The server ends, the pods go on."""
        for worker in self._workers.values():
            worker.stop_watching()
        for task in self._ending.values():
            task.cancel()

    async def checkpoint(
        self, *, namespace: str, pod: str, container: str, seconds: str | None
    ) -> Response:
        """`POST /checkpoint/{namespace}/{pod}/{container}`, with the kubelet's own refusals."""
        found = self._store.find(POD, namespace=namespace, name=pod)
        if found is None:
            return plain_answer("pod does not exist", status=HTTPStatus.NOT_FOUND)
        names = [each["name"] for each in found["spec"]["containers"]]
        if container not in names:
            text = f"container {container} does not exist"
            return plain_answer(text, status=HTTPStatus.NOT_FOUND)
        if seconds is not None and not seconds.lstrip("+-").isdigit():
            text = "cannot parse value of timeout parameter"
            return plain_answer(text, status=HTTPStatus.NOT_FOUND)
        try:
            archive = await self._dump(found, container=container)
        except CommandFailedError as error:
            text = f"checkpointing of {namespace}/{pod}/{container} failed ({error})"
            return plain_answer(text, status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return Response(f'{{"items":["{archive}"]}}', media_type="application/json")

    async def _dump(self, pod: Object, *, container: str) -> Path:
        name = container_name(pod, container=container)
        worker = self._workers.get(pod["metadata"]["uid"])
        states = worker.containers if worker else []
        if not any(each.spec["name"] == container and each.running for each in states):
            raise CommandFailedError(f"container {container} not found")
        if name in self._dumping:
            raise CommandFailedError("rpc error: code = Unknown desc = a checkpoint is under way")
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        full_name = f"{name_of(pod)}_{namespace_of(pod)}"
        archive = self._checkpoints / f"checkpoint-{full_name}-{container}-{stamp}.tar"
        self._dumping.add(name)
        try:
            await self._podman.checkpoint(name, archive=archive)
        finally:
            self._dumping.discard(name)
        return archive

    def _teller(self, uid: str) -> Callable[[], None]:
        def tell() -> None:
            worker = self._workers.get(uid)
            if worker is not None:
                self._store.change(POD, worker.pod, by=lambda live: self._report(worker, live))

        return tell

    def _report(self, worker: PodWorker, live: Object) -> None:
        before = live.get("status", {})
        live["status"] = pod_status.of(worker, before=before, node_address=self._address)

    async def _end(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
        wait = 1.0
        while True:
            try:
                await self._workers[uid].end(grace_seconds=grace)
                break
            except CommandFailedError as error:
                log.warning("pod %s does not end: %s", name_of(pod), error)
                await asyncio.sleep(wait)
        self._store.remove(POD, pod)
        del self._workers[uid], self._ending[uid]


def _was_up(pod: Object) -> bool:
    return bool(pod.get("status", {}).get("containerStatuses"))
