"""`python -m lab.api CLUSTER`: the server of one cluster, started inside its node's namespaces."""

import argparse
import asyncio
import logging

import uvicorn

from lab.api import identities, node_object
from lab.api.cluster import Cluster
from lab.api.commands import Runner
from lab.api.dataplane import Dataplane
from lab.api.kubelet import Kubelet
from lab.api.podman import Podman
from lab.api.registry import Registry
from lab.api.server import Server
from lab.api.store import Store
from lab.api.velero import Velero
from lab.certificates import Authority
from lab.description import ALL_CLUSTERS, API_PORT, LabDescription, LabSettings
from lab.node import CHECKPOINTS, Node


async def serve(cluster: str) -> None:
    """Answer until SIGTERM; the pods go on without the server."""
    settings = LabSettings()
    lab = LabDescription.load()
    node = Node.of(lab, cluster=cluster)
    certificate = Authority(settings.state).certificate(node.name)
    if certificate is None:
        raise SystemExit(f"{node.name}: no certificate in {settings.state}; run lab/up")
    runner = Runner()
    podman = Podman(runner, cgroup=node.cgroup)
    store = Store(node.folder / "objects.json")
    kubelet = Kubelet(
        store=store,
        podman=podman,
        registry=Registry.of(lab),
        node_address=node.address,
        checkpoints=CHECKPOINTS,
    )
    dataplane = Dataplane(runner, node_address=node.address, pod_network=node.pod_network)
    server = Server(
        cluster=Cluster(
            store=store,
            kubelet=kubelet,
            dataplane=dataplane,
            velero=Velero(shared=settings.state / "velero"),
        ),
        identities=identities.load(admin_token=lab.clusters[cluster].token, folder=node.folder),
        node=node_object.describe(
            name=node.name, address=node.address, podman_version=await podman.version()
        ),
    )
    await uvicorn.Server(
        uvicorn.Config(
            server.app(),
            host=node.address,
            port=API_PORT,
            ssl_certfile=str(certificate.cert_file),
            ssl_keyfile=str(certificate.key_file),
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
    ).serve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.api", description=__doc__)
    parser.add_argument("cluster", choices=ALL_CLUSTERS)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(serve(parser.parse_args().cluster))


if __name__ == "__main__":
    main()
