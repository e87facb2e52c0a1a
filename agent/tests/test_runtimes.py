"""Pods and containers as crictl and Podman print them; programs stand in for both on PATH."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transition_agent.commands import CommandError
from transition_agent.crictl import Crictl
from transition_agent.podman import Podman
from transition_agent.runtime import NodePod, PodContainer, program_for
from transition_wire.heartbeat import PodCopy

LABELS = {
    "app": "video",
    "io.kubernetes.pod.name": "video-0",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.uid": "0b2d5e1c-5a7e-4d4f-9c0e-000000000000",
}

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A program that prints, for each first word, what a file of that name holds."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def install(program: str, **printed: object) -> Path:
        for word, content in printed.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / word).write_text(text)
        path = tmp_path / program
        path.write_text(f'#!/bin/sh\ncd {tmp_path}\necho "$@" >> called\ncat "$1" || exit 1\n')
        path.chmod(0o755)
        return tmp_path / "called"

    return install


def _sandbox(**changes: object) -> dict[str, object]:
    metadata = {"name": "video-0", "namespace": "shop", "uid": "0b2d", "attempt": 0}
    sandbox = {"id": "s1", "metadata": metadata, "state": "SANDBOX_READY", "labels": LABELS}
    return {**sandbox, **changes}


def _cri_container(state: str, *, name: str = "app") -> dict[str, object]:
    return {
        "id": f"c-{name}",
        "podSandboxId": "s1",
        "metadata": {"name": name, "attempt": 1},
        "image": {"image": "sha256:1"},
        "state": state,
        "labels": {"io.kubernetes.container.name": name},
    }


def _status(network: object = None, *, mode: str = "POD") -> dict[str, object]:
    options = {"network": mode, "pid": "CONTAINER"}
    return {
        "status": {
            "id": "s1",
            "network": network,
            "linux": {"namespaces": {"options": options}},
        }
    }


DUAL = {"ip": "10.1.0.7", "additionalIps": [{"ip": "fd00::7"}]}


def _crictl(install: Install, *, status: object, state: str = "CONTAINER_RUNNING") -> list[NodePod]:
    install(
        "crictl",
        pods={"items": [_sandbox()]},
        ps={"containers": [_cri_container(state)]},
        inspectp=status,
    )
    return Crictl().pods()


@pytest.mark.parametrize(
    "printed",
    [
        pytest.param(_status(DUAL), id="one object"),
        pytest.param([_status(DUAL)], id="a list"),
        pytest.param(
            json.dumps(_status(DUAL), indent=2)
            + "\n"
            + json.dumps({"status": {"id": "s2", "network": {"ip": "10.1.0.8"}}}),
            id="objects in a row",
        ),
    ],
)
def test_crictl_tells_pods_with_their_addresses(install: Install, printed: object) -> None:
    (pod,) = _crictl(install, status=printed)
    assert pod == NodePod(
        id="s1",
        namespace="shop",
        name="video-0",
        labels=LABELS,
        addresses=("10.1.0.7", "fd00::7"),
        has_network=True,
        containers=(PodContainer(id="c-app", name="app", runs=True),),
    )


@pytest.mark.parametrize(
    ("state", "runs"),
    [
        ("CONTAINER_RUNNING", True),
        ("CONTAINER_CREATED", True),
        ("CONTAINER_UNKNOWN", True),
        ("CONTAINER_EXITED", False),
    ],
)
def test_only_a_container_that_has_ended_does_not_run(
    install: Install, state: str, runs: bool
) -> None:
    (pod,) = _crictl(install, status=_status(DUAL), state=state)
    assert bool(pod.running) is runs


def test_a_pod_on_the_nodes_network_has_no_address_of_its_own(install: Install) -> None:
    (pod,) = _crictl(install, status=_status({"ip": "192.0.2.1"}, mode="NODE"))
    assert (pod.has_network, pod.addresses) == (False, ())


def test_a_sandbox_is_inspected_once_it_has_an_address_and_then_never_again(
    install: Install,
) -> None:
    called = install(
        "crictl",
        pods={"items": [_sandbox()]},
        ps={"containers": None},
        inspectp=_status({"ip": ""}),
    )
    runtime = Crictl()
    assert runtime.pods()[0].addresses == ()
    install("crictl", inspectp=_status(DUAL))
    assert runtime.pods()[0].addresses == ("10.1.0.7", "fd00::7")
    assert runtime.pods()[0].addresses == ("10.1.0.7", "fd00::7")
    assert called.read_text().count("inspectp") == 2


def test_a_sandbox_that_is_gone_meanwhile_has_no_address(install: Install, tmp_path: Path) -> None:
    install("crictl", pods={"items": [_sandbox()]}, ps={"containers": []})
    assert Crictl().pods()[0].addresses == ()


def test_a_sandbox_that_ended_counts_while_a_container_of_it_runs(install: Install) -> None:
    ended = _sandbox(state="SANDBOX_NOTREADY")
    install("crictl", pods={"items": [ended]}, ps={"containers": []})
    assert Crictl().pods() == []
    install("crictl", ps={"containers": [_cri_container("CONTAINER_RUNNING")]})
    assert len(Crictl().pods()) == 1


def test_crictl_ends_containers_at_once(install: Install) -> None:
    called = install("crictl", stop="")
    Crictl().stop([PodContainer(id="c1", name="app", runs=True)])
    assert called.read_text() == "stop --timeout=0 c1\n"


@pytest.mark.parametrize("runtime", [Crictl(), Podman()], ids=lambda each: each.name)
def test_what_is_not_json_is_an_error(install: Install, runtime: Crictl | Podman) -> None:
    install("crictl", pods="E1123 validate service connection")
    install("podman", pod="Error: no such thing")
    with pytest.raises(CommandError, match="printed something else"):
        runtime.pods()


def _podman_pod(**changes: object) -> dict[str, object]:
    containers = [
        {"Id": "infra1", "Names": "shop_video-0-infra", "Status": "running"},
        {"Id": "c1", "Names": "shop_video-0_app", "Status": "running"},
        {"Id": "c2", "Names": "shop_video-0_side", "Status": "exited"},
    ]
    pod = {
        "Id": "p1",
        "Name": "shop_video-0",
        "InfraId": "infra1",
        "Labels": LABELS,
        "Containers": containers,
    }
    return {**pod, **changes}


def test_podman_tells_pods_with_their_addresses(install: Install) -> None:
    settings = {"IPAddress": "", "Networks": {"podman": {"IPAddress": "10.88.0.4"}}}
    install(
        "podman",
        pod=[_podman_pod(), _podman_pod(Id="other", Labels=None)],
        container=[{"Id": "infra1", "NetworkSettings": settings}],
    )
    assert Podman().pods() == [
        NodePod(
            id="p1",
            namespace="shop",
            name="video-0",
            labels=LABELS,
            addresses=("10.88.0.4",),
            has_network=True,
            containers=(
                PodContainer(id="c1", name="app", runs=True),
                PodContainer(id="c2", name="side", runs=False),
            ),
        )
    ]


def test_a_pod_of_podman_that_went_away_meanwhile_has_no_address(install: Install) -> None:
    install("podman", pod=[_podman_pod()])
    assert Podman().pods()[0].addresses == ()


def test_podman_without_pods_has_none(install: Install) -> None:
    install("podman", pod="null")
    assert Podman().pods() == []


def test_podman_ends_containers_at_once(install: Install) -> None:
    called = install("podman", stop="")
    Podman().stop([PodContainer(id="c1", name="app", runs=True)])
    Podman().stop([])
    assert called.read_text() == "stop --ignore --time=0 c1\n"


@pytest.mark.parametrize(
    ("labels", "namespace", "matches"),
    [
        ({"app": "video"}, "shop", True),
        ({"app": "video", "tier": "front"}, "shop", False),
        ({"app": "video"}, "other", False),
    ],
)
def test_a_package_is_found_by_namespace_and_labels(
    install: Install, labels: dict[str, str], namespace: str, matches: bool
) -> None:
    (pod,) = _crictl(install, status=_status(DUAL))
    copy = PodCopy(package="video", namespace=namespace, pod_labels=labels)
    assert pod.is_of(copy) is matches


def test_the_runtime_is_the_first_that_is_installed(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program_for("auto") is None
    install("podman")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program_for("auto") == "podman"
    assert program_for("crictl") is None
    install("crictl")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program_for("auto") == "crictl"
    assert program_for("podman") == "podman"
    assert program_for("off") is None
