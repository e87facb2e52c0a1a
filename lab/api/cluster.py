"""One cluster: the store, its controllers, its node, and the loop that keeps them in step."""

import asyncio
import logging
from contextlib import suppress

from lab.api import defaults, endpoints, workloads
from lab.api.commands import CommandFailedError
from lab.api.dataplane import Dataplane
from lab.api.kinds import NAMESPACE, NODE, Object, name_of
from lab.api.kubelet import Kubelet
from lab.api.store import Store
from lab.api.velero import Velero

log = logging.getLogger(__name__)

_NAMESPACES = ("default", "kube-system")
_RETRY_SECONDS = 1.0
_MOST_PASSES = 50


class Cluster:
    """Changes of the store are worked off at once; there is no polling."""

    def __init__(
        self, *, store: Store, kubelet: Kubelet, dataplane: Dataplane, velero: Velero
    ) -> None:
        self.store = store
        self.velero = velero
        self.kubelet = kubelet
        self._dataplane = dataplane
        self._settling = asyncio.Lock()
        self._node = ""
        self._loop: asyncio.Task[None] | None = None

    async def start(self, node: Object) -> None:
        """Register the node, adopt what runs on it, and begin to work."""
        self._node = name_of(node)
        for name in _NAMESPACES:
            if self.store.find(NAMESPACE, name=name) is None:
                namespace: Object = {"metadata": {"name": name}}
                defaults.complete(NAMESPACE, namespace)
                self.store.create(NAMESPACE, namespace)
        known = self.store.find(NODE, name=self._node)
        if known is None:
            self.store.create(NODE, node)
        else:
            self.store.change(NODE, known, by=lambda live: live.update(status=node["status"]))
        await self.kubelet.adopt()
        self.store.changed.set()  # a server that was killed half-way left work, changed or not
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._loop:
            self._loop.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop
        await self.kubelet.stop()

    async def settle(self) -> None:
        """Run the controllers until nothing changes, and put the network rules in force."""
        async with self._settling:
            for _ in range(_MOST_PASSES):
                version = self.store.version
                workloads.reconcile(self.store, node=self._node)
                endpoints.reconcile(self.store)
                self.velero.reconcile(self.store)
                if self.store.version == version:
                    break
            else:
                log.error("the controllers do not come to rest at version %s", self.store.version)
            self.kubelet.sync()
            await self._dataplane.sync(self.store)

    async def _run(self) -> None:
        while True:
            await self.store.changed.wait()
            self.store.changed.clear()
            try:
                await self.settle()
            except CommandFailedError as error:
                log.warning("network rules: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                self.store.changed.set()
