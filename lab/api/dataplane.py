"""Services and network policies in the node's own nftables, as kube-proxy and a CNI keep them.

The whole ruleset is made from the store and loaded in one transaction, so no packet sees half of
it. Connections that exist go on when a Service changes; a policy that denies ends those as well.
"""

from collections.abc import Iterator

from lab.api import selectors
from lab.api.commands import Runner
from lab.api.endpoints import backends
from lab.api.kinds import (
    NETWORK_POLICY,
    POD,
    SERVICE,
    Object,
    labels_of,
    name_of,
    namespace_of,
)
from lab.api.store import Store

SERVICE_NETWORK = "10.96.0.0/16"


class Dataplane:
    """The rules that are in force on one node."""

    def __init__(self, runner: Runner, *, node_address: str, pod_network: str) -> None:
        self._runner = runner
        self._node_address = node_address
        self._pod_network = pod_network
        self._loaded = ""

    async def sync(self, store: Store) -> None:
        """Bring the rules in line with the store; when it returns they are in force."""
        rules = self.rules(store)
        if rules != self._loaded:
            await self._runner.run("nft", "-f", "-", stdin=rules)
            self._loaded = rules

    def rules(self, store: Store) -> str:
        """The ruleset as nft reads it."""
        incoming = denied(store, direction="Ingress")
        outgoing = denied(store, direction="Egress")
        return _RULESET.format(
            services="\n".join(f"    {line}" for line in self._services(store)),
            pod_network=self._pod_network,
            service_network=SERVICE_NETWORK,
            # By who opened the connection, so that a policy ends those that exist as well and
            # leaves the answers to what the pod itself may ask.
            routed=_drops(
                ("ip daddr", incoming, "ct direction original"),
                ("ip saddr", incoming, "ct direction reply"),
                ("ip saddr", outgoing, "ct direction original"),
                ("ip daddr", outgoing, "ct direction reply"),
            ),
            bridged=_drops(("ip daddr", incoming, ""), ("ip saddr", outgoing, "")),
        )

    def _services(self, store: Store) -> Iterator[str]:
        for service in store.each(SERVICE):
            for port in service["spec"].get("ports", ()):
                targets = backends(store, service, port=port)
                if targets and port["protocol"] == "TCP":
                    yield from self._port(service, port=port, targets=targets)

    def _port(self, service: Object, *, port: Object, targets: list[str]) -> Iterator[str]:
        if len(targets) == 1:
            goal = targets[0]
        else:
            choices = ", ".join(
                f"{index} : {target.replace(':', ' . ')}" for index, target in enumerate(targets)
            )
            goal = f"numgen inc mod {len(targets)} map {{ {choices} }}"
        verb = "dnat to" if len(targets) == 1 else "dnat ip to"
        comment = f'comment "{namespace_of(service)}/{name_of(service)}"'
        address = service["spec"].get("clusterIP", "None")
        if address != "None":
            yield f"ip daddr {address} tcp dport {port['port']} {verb} {goal} {comment}"
        if node_port := port.get("nodePort"):
            match = f"ip daddr {self._node_address} tcp dport {node_port}"
            yield f"{match} {verb} {goal} {comment}"


def denied(store: Store, *, direction: str) -> list[str]:
    """Addresses of pods that policies isolate in a direction and that no rule opens again.

    A policy with any rule for the direction counts as open: finer rules are not in this slice.
    """
    addresses = []
    for pod in store.each(POD):
        selecting = [
            policy
            for policy in store.each(NETWORK_POLICY, namespace=namespace_of(pod))
            if direction in policy["spec"].get("policyTypes", ["Ingress"])
            and selectors.matches(policy["spec"].get("podSelector"), labels=labels_of(pod))
        ]
        opened = any(policy["spec"].get(direction.lower()) for policy in selecting)
        if selecting and not opened and (address := pod["status"].get("podIP")):
            addresses.append(address)
    return sorted(addresses)


def _drops(*rules: tuple[str, list[str], str]) -> str:
    return "\n".join(
        f"    {field} {{ {', '.join(addresses)} }} {condition} drop"
        for field, addresses, condition in rules
        if addresses
    )


_RULESET = """\
table ip lab
delete table ip lab
table ip lab {{
  chain services {{
{services}
  }}
  chain prerouting {{
    type nat hook prerouting priority -105
    jump services
  }}
  chain output {{
    type nat hook output priority -105
    jump services
  }}
  chain postrouting {{
    type nat hook postrouting priority 95
    ip saddr {pod_network} ip daddr {pod_network} ct status dnat masquerade
  }}
  chain forward {{
    type filter hook forward priority -5
{routed}
    ip daddr {service_network} reject
  }}
  chain local {{
    type filter hook output priority -5
    ip daddr {service_network} reject
  }}
}}
table bridge lab
delete table bridge lab
table bridge lab {{
  chain forward {{
    type filter hook forward priority -5
{bridged}
  }}
}}
"""
