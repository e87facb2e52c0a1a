"""What runs in the lab, in a few lines."""

from collections.abc import Iterator

import requests

from lab.agents import agent_of
from lab.cluster_server import ClusterServer
from lab.description import ClusterAccess, LabDescription, LabSettings
from lab.gitops import gitops_loops
from lab.node import Node
from lab.services.all import services_of

_SECONDS = 5


def lines(settings: LabSettings) -> Iterator[str]:
    """One line for each part of the lab, and one for each pod."""
    if not settings.description_file.exists():
        yield f"no lab in {settings.state}; lab/up makes one"
        return
    lab = LabDescription.load(settings.description_file)
    for service in services_of(lab):
        yield _line(service.name, good=service.ready(), where=service.url)
    for loop in gitops_loops(lab):
        known = loop.status()
        yield _line(
            loop.daemon.name, good=loop.ready(), where=f"commit {known.revision if known else None}"
        )
    for name, access in lab.clusters.items():
        good = ClusterServer(node=Node.of(lab, cluster=name), lab=lab).ready()
        yield _line(name, good=good, where=access.api_url)
        agent = agent_of(lab, cluster=name)
        yield _line(agent.name, good=agent.pid() is not None, where=f"pid {agent.pid()}")
        if good:
            yield from _pods(access, lab=lab)


def _line(name: str, *, good: bool, where: str) -> str:
    return f"{name:24} {'runs' if good else 'DOWN':5} {where}"


def _pods(access: ClusterAccess, *, lab: LabDescription) -> Iterator[str]:
    with requests.Session() as session:
        session.trust_env = False  # REQUESTS_CA_BUNDLE would win over verify
        session.verify = str(lab.ca_file)
        session.headers["Authorization"] = f"Bearer {access.token}"
        answer = session.get(f"{access.api_url}/api/v1/pods", timeout=_SECONDS)
    answer.raise_for_status()
    for pod in answer.json()["items"]:
        metadata, status = pod["metadata"], pod["status"]
        ready = [each["ready"] for each in status.get("containerStatuses", ())]
        yield (
            f"  pod {metadata['namespace']}/{metadata['name']} {status['phase']}"
            f" ready {sum(ready)}/{len(pod['spec']['containers'])} {status.get('podIP', '')}"
        )
