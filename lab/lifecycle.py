"""The whole lab up, down, and what of it runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from lab import agents, machine, network, node, processes, video
from lab.base_image import REPOSITORY, TAG, build
from lab.cgroups import cgroups_of, remove_cgroups
from lab.cluster_server import ClusterServer
from lab.command import run
from lab.description import ALL_CLUSTERS, CLUSTERS, LabDescription, LabSettings
from lab.gitops import gitops_loops
from lab.push import push
from lab.seed import seed
from lab.services.all import services_of
from lab.services.s3_server import remove_sockets
from lab.story import Story


def up(settings: LabSettings, story: Story, *, heap_mib: int = 0) -> LabDescription:
    """Make the whole lab from a clean state; what an earlier one left is taken away first.

    `heap_mib`: so much memory besides its own has the sample application.
    """
    machine.prepare(settings, say=story.say)
    if remains(settings):
        with story.step("taking down what an earlier lab left"):
            down(settings)
    lab = LabDescription.create(settings)
    lab.save()
    network.create(settings)
    services = services_of(lab)
    with story.step("S3, registry and Git server"):
        for service in services:
            service.start()
        for service in services:
            service.wait_ready()
    with story.step("image of the sample application"):
        image = push(build(settings.cache), repository=REPOSITORY, tag=TAG, lab=lab)
    with story.step(" and ".join(lab.clusters)):
        _start_clusters(lab)
    with story.step("the package video in the repository of " + CLUSTERS[0]):
        seed(lab, packages={CLUSTERS[0]: video.package(image=image, heap_mib=heap_mib)})
        for loop in gitops_loops(lab):
            loop.start()
        for loop in gitops_loops(lab):
            loop.wait_ready()
    with story.step("an agent on each node"):
        agents.start(lab)
    with story.step(f"video answers on {lab.clusters[CLUSTERS[0]].app_url}"):
        video.wait_for_answer(lab.clusters[CLUSTERS[0]].app_url)
    return lab


def _start_clusters(lab: LabDescription) -> None:
    servers = []
    for cluster in lab.clusters:
        each = node.Node.of(lab, cluster=cluster)
        node.create(each, lab=lab)
        servers.append(ClusterServer(node=each, lab=lab))
        servers[-1].start()
    for server in servers:
        server.wait_ready()


def down(settings: LabSettings) -> None:
    """End every process of the lab and take away its mounts, namespaces, interfaces and files.

    What is not there is no error, so it cleans up after a half-made or killed lab as well.
    """
    processes.end(_namespaces(settings))
    for mount in reversed(_mounts(settings.state)):
        run("umount", mount)
    network.remove(settings)
    remove_sockets(settings.state)
    for cluster in ALL_CLUSTERS:
        remove_cgroups(settings.node_netns(cluster))
    if settings.state.exists():
        shutil.rmtree(settings.state)


def remains(settings: LabSettings) -> list[str]:
    """What of the lab is left on the machine: nothing, after `down`."""
    found = [f"process {each.pid}" for each in processes.inside(_namespaces(settings))]
    found += [f"mount {each}" for each in _mounts(settings.state)]
    found += [f"namespace {each}" for each in network.namespaces(settings)]
    found += [f"interface {each}" for each in network.interfaces(settings)]
    found += [
        f"cgroup {path}" for name in ALL_CLUSTERS for path in cgroups_of(settings.node_netns(name))
    ]
    return found + ([f"folder {settings.state}"] if settings.state.exists() else [])


def _namespaces(settings: LabSettings) -> Iterator[str]:
    for file in network.namespaces(settings):
        yield processes.namespace_of(file, kind="net")
    for cluster in ALL_CLUSTERS:
        yield from node.namespaces(settings.mount_namespace(cluster))


def _mounts(state: Path) -> list[str]:
    """Mount points below the state folder, in the order in which they were made."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [each for each in points if Path(each).is_relative_to(state)]
