"""One round of a move benchmark: the same process, moved our way and then Podman's own."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from benchmarks.bench import Progress, Sample
from benchmarks.moves.workload import HEAP_MIB, NAMESPACE, PORT, Cluster, wait_answer, wait_until
from lab import lifecycle
from lab.base_image import REPOSITORY, TAG
from lab.connections import connections_of
from lab.description import CLUSTERS, LabDescription, LabSettings
from lab.node import Node
from lab.story import Story

_SOURCE, _TARGET = CLUSTERS
_PODMAN_PORT = 31090
_PODMAN_SECONDS = 600.0


@contextmanager
def lab_rounds(progress: Progress, *, heap_kind: str) -> Iterator[Callable[[], Sample]]:
    """Bring a lab of its own up, yield the round, take the lab down."""
    with tempfile.TemporaryDirectory(prefix="move-bench-") as folder:
        settings = LabSettings(
            name="bench", subnet=IPv4Network("10.87.200.0/24"), state=Path(folder) / "lab"
        )
        try:
            lab = lifecycle.up(settings, Story(write=progress.say))
            _configure_airflow(lab, home=Path(folder) / "airflow")
            yield lambda: _round(lab, progress=progress, heap_kind=heap_kind)
        finally:
            lifecycle.down(settings)


def _configure_airflow(lab: LabDescription, *, home: Path) -> None:
    """Hooks find their connections in the environment; no Airflow runs."""
    os.environ["AIRFLOW_HOME"] = str(home)
    for name, connection in connections_of(lab).items():
        os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)


def _round(lab: LabDescription, *, progress: Progress, heap_kind: str) -> Sample:
    os.sync()  # no side pays for what the one before it wrote
    ours = _our_way(lab, progress=progress, heap_kind=heap_kind)
    os.sync()
    podman = _podmans_way(lab, progress=progress, heap_kind=heap_kind)
    return Sample(
        figure=sum(ours.values()) / sum(podman.values()),
        breakdown={
            **{f"ours: {step}, s": seconds for step, seconds in ours.items()},
            "ours, s": sum(ours.values()),
            **{f"podman: {step}, s": seconds for step, seconds in podman.items()},
            "podman, s": sum(podman.values()),
        },
    )


class _Stopwatch(dict[str, float]):
    """Step -> seconds, in the order of the steps."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self[name] = time.monotonic() - began


def _our_way(lab: LabDescription, *, progress: Progress, heap_kind: str) -> dict[str, float]:
    # Airflow reads its configuration when it is imported, so not before the environment is set.
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook  # noqa: PLC0415
    from airflow_transition.hooks.oci_registry import OciRegistryHook  # noqa: PLC0415

    source, target = Cluster(lab, name=_SOURCE), Cluster(lab, name=_TARGET)
    store, registry = CheckpointStoreHook(), OciRegistryHook()
    progress.say(f"a process with {HEAP_MIB} MiB on {_SOURCE}")
    source.run(image=f"{lab.registry.address}/{REPOSITORY}:{TAG}", heap_kind=heap_kind)
    before = source.wait_id()
    (pod,) = source.pods()
    watch = _Stopwatch()
    with watch.step("checkpoint"):
        filename = source.checkpoint()
    with watch.step("upload"):
        key = store.record_key(cluster=_SOURCE, namespace=NAMESPACE, pod=pod, filename=filename)
        wait_until(lambda: store.find_record(key) is not None, what=key)
        record = store.find_record(key)
        assert record is not None
    with watch.step("image"):
        image = registry.push_checkpoint_image(record=record, archive=store.open_archive(record))
    with watch.step("pull and restore"):
        target.run(image=image.reference, heap_kind=heap_kind)
        after = target.wait_id()
    assert after == before, f"restored {after}, not {before}"
    source.remove()
    target.remove()
    _prune(lab)
    return watch


def _podmans_way(lab: LabDescription, *, progress: Progress, heap_kind: str) -> dict[str, float]:
    source, target = Node.of(lab, cluster=_SOURCE), Node.of(lab, cluster=_TARGET)
    progress.say("the same with checkpoint --create-image, push, pull, restore")
    base = f"{lab.registry.address}/{REPOSITORY}:{TAG}"
    image = f"{lab.registry.address}/podmans-way:{time.time_ns()}"
    settings = ("--env", f"HEAP_MIB={HEAP_MIB}", "--env", f"HEAP_KIND={heap_kind}")
    _podman(source, "run", "-d", "--name", "heap", "-p", f"{_PODMAN_PORT}:{PORT}", *settings, base)
    before = wait_answer(f"http://{source.address}:{_PODMAN_PORT}")
    watch = _Stopwatch()
    with watch.step("checkpoint"):
        _podman(source, "container", "checkpoint", "--create-image", image, "heap")
    with watch.step("push"):
        _podman(source, "push", image)
    with watch.step("pull"):
        _podman(target, "pull", "--quiet", image)
    with watch.step("restore"):
        _podman(target, "container", "restore", image)
        after = wait_answer(f"http://{target.address}:{_PODMAN_PORT}")
    assert after == before, f"restored {after}, not {before}"
    for node in (source, target):
        _podman(node, "rm", "--force", "--time=0", "heap")
    _prune(lab)
    return watch


def _prune(lab: LabDescription) -> None:
    """No round finds layers of the one before."""
    for name in CLUSTERS:
        _podman(Node.of(lab, cluster=name), "image", "prune", "--all", "--force")


def _podman(node: Node, *arguments: str) -> Any:
    return node.run("podman", *arguments, timeout_seconds=_PODMAN_SECONDS)
