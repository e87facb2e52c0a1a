"""What befalls a cluster: it dies at once or is cut off, and comes back as a rebooted machine does.

`lab/cluster kill|partition|heal|restore NAME`, or `python -m lab.faults`.
"""

import argparse
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lab import agents, network, node, processes
from lab.cgroups import remove_cgroups
from lab.cluster_server import ClusterServer
from lab.description import ALL_CLUSTERS, LabDescription, LabSettings
from lab.errors import LabError
from lab.gitops import GitOpsLoop, gitops_loops
from lab.services.daemon import DaemonError

Part = Literal["api", "agent", "gitops"]
"""What starts on a machine that boots. The pods are started by `api`, which is its kubelet too."""

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class ClusterFaults:
    """One cluster of a lab, with everything that belongs to it: node, API server, GitOps engine."""

    lab: LabDescription
    cluster: str

    @property
    def node(self) -> node.Node:
        return node.Node.of(self.lab, cluster=self.cluster)

    @property
    def server(self) -> ClusterServer:
        return ClusterServer(node=self.node, lab=self.lab)

    @property
    def gitops(self) -> GitOpsLoop:
        (loop,) = (each for each in gitops_loops(self.lab) if each.settings.cluster == self.cluster)
        return loop

    def kill(self) -> None:
        """Power off everything at once: the network first, so that nothing says good-bye."""
        network.unplug(self._member)
        ending = threading.Thread(target=self.gitops.kill)
        ending.start()
        processes.end(self._namespaces())
        ending.join()

    def restore(self, *, order: Sequence[Part] = PARTS) -> None:
        """Boot a killed machine: link, then its parts in this order, each begun before the next.

        Its disk is as it was, so the API server still wants the pods that it wanted, and starts
        them; memory, `/run` and the boot id are new.
        """
        if sorted(order) != sorted(PARTS):
            raise LabError(
                f"not an order of {', '.join(PARTS)}",
                where=self.cluster,
                found=", ".join(order),
                do="name each part once",
            )
        processes.end(self._namespaces())
        node.discard(self.node)
        network.leave(self._member)
        remove_cgroups(self.node.netns)
        network.join(self.lab, member=self._member)
        node.create(self.node, lab=self.lab)
        for part in order:
            self._start(part)
        self.server.wait_ready()
        agents.wait_ready(self.lab, cluster=self.cluster)

    def partition(self) -> None:
        """Lose every packet between the cluster and the rest; on either side all goes on."""
        network.cut(self._member)

    def heal(self) -> None:
        """End a partition."""
        network.connect(self._member)

    def _start(self, part: Part) -> None:
        if part == "api":
            self.server.start()
        elif part == "agent":
            agents.start_one(self.lab, cluster=self.cluster)
        else:
            self.gitops.start()

    def _namespaces(self) -> list[str]:
        member = network.namespace_file(self._member)
        own = [processes.namespace_of(member, kind="net")] if member.exists() else []
        return [*own, *node.namespaces(self.node.mount_namespace)]

    @property
    def _member(self) -> network.Member:
        access = self.lab.clusters[self.cluster]
        return network.Member(access.netns, access.node_address)


def main() -> int:
    """Do one thing to one cluster of the lab that the environment's settings name."""
    parser = argparse.ArgumentParser(prog="lab/cluster", description=__doc__)
    parser.add_argument("action", choices=("kill", "partition", "heal", "restore"))
    parser.add_argument("cluster", choices=ALL_CLUSTERS)
    parser.add_argument(
        "--order",
        default=",".join(PARTS),
        help="in which the parts of a restored cluster start (default: %(default)s)",
    )
    chosen = parser.parse_args()
    lab = LabDescription.load(LabSettings().description_file)
    faults = ClusterFaults(lab, cluster=chosen.cluster)
    try:
        if chosen.action == "restore":
            faults.restore(order=chosen.order.split(","))
        else:
            getattr(faults, chosen.action)()
    except (LabError, DaemonError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
