"""The agent's image, built as its Containerfile says and run with the rights of its DaemonSet.

Kubernetes' part is taken by Podman: each right, mount and variable is read from the rendered
manifest. What it does not show is Kubernetes itself: admission, tolerations and probes.
"""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from transition_wire.node_facts import CriuCheck, NodeFacts

from benchmarks.archive_file import ArchiveFile
from tests.integration.agent.conftest import CLUSTER, Bucket, eventually
from tests.unit.deploy.kustomize import render

from .podman import ROOT, Podman, running

KUBERNETES = ROOT / "agent" / "deploy" / "kubernetes"
NODE = "node-1"
ARCHIVE = ArchiveFile(heap_bytes=100_000)

pytestmark = pytest.mark.usefixtures("agent_image")


def pod_spec(folder: Path, *components: str) -> Any:
    wanted = {
        "resources": [str(KUBERNETES / "agent")],
        "components": [str(KUBERNETES / "components" / name) for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    rendered = render(folder)
    return next(i for i in rendered if i["kind"] == "DaemonSet")["spec"]["template"]["spec"]


def as_podman_runs_it(container: Any, *, host: Path) -> Iterator[str]:
    """Its rights and folders; the node's root is `host`."""
    rights = container["securityContext"]
    yield f"--user={rights['runAsUser']}"
    if rights.get("privileged"):
        yield "--privileged"
    for change in ("drop", "add"):
        for name in rights.get("capabilities", {}).get(change, []):
            yield f"--cap-{change}={name}"
    if rights["readOnlyRootFilesystem"]:
        yield from ("--read-only", "--read-only-tmpfs=false")
    if rights.get("allowPrivilegeEscalation") is False:
        yield "--security-opt=no-new-privileges"
    for mount in container["volumeMounts"]:
        mode = "ro" if mount.get("readOnly") else "rw"
        place = host / mount["mountPath"].strip("/")
        place.mkdir(parents=True, exist_ok=True)
        yield f"--volume={place}:{mount['mountPath']}:{mode}"
    for entry in container["env"]:
        if "value" in entry:
            yield f"--env={entry['name']}={entry['value']}"
    yield f"--env=NODE_NAME={NODE}"


def facts() -> NodeFacts:
    return NodeFacts(
        cluster=CLUSTER,
        node=NODE,
        measured=datetime.now(UTC),
        kernel="6.18.0",
        architecture="x86_64",
        cpu_model="any",
        cpu_features=(),
        xsave_size_bytes=None,
        cgroup_version=2,
        criu="4.2.1",
        criu_check=CriuCheck(passed=True, output="Looks good."),
        runc=None,
        containerd=None,
        crio=None,
        podman=None,
    )


def test_the_image_runs_as_a_user_of_its_own_and_says_what_it_does(
    podman: Podman, agent_image: str
) -> None:
    told = podman.run(
        *("run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", agent_image, "--help")
    )
    assert "Uploads the checkpoint archives of this node to S3" in told
    assert podman.inspect(agent_image)["User"] == "65532:65532"


def test_the_image_holds_no_installer(podman: Podman, agent_image: str) -> None:
    programs = podman.run(
        "run", "--rm", "--entrypoint=ls", agent_image, "/opt/transition-agent/bin"
    )
    assert "transition-agent" in programs.split()
    assert not [name for name in programs.split() if name.startswith(("pip", "easy"))]


def test_as_user_0_without_capabilities_it_uploads_the_archives_of_the_kubelet(
    podman: Podman, agent_image: str, bucket: Bucket, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    archives = host / "var/lib/kubelet/checkpoints"
    archives.mkdir(parents=True, mode=0o700)
    ARCHIVE.write(archives).chmod(0o600)
    (host / "run/transition-agent").mkdir(parents=True)
    (host / "run/transition-agent/facts.json").write_text(facts().model_dump_json())
    container = pod_spec(tmp_path)["containers"][0]
    endpoint = bucket.endpoint
    settings = {
        "CLUSTER_NAME": CLUSTER,
        "S3_ENDPOINT_URL": endpoint.url,
        "S3_ACCESS_KEY": endpoint.access_key,
        "S3_SECRET_KEY": endpoint.secret_key,
        "S3_BUCKET": endpoint.bucket,
        "S3_PREFIX": bucket.prefix,
        "S3_CA_FILE": "/ca.crt",
        "METRICS_ADDRESS": "off",
    }
    arguments = [
        *("run", "--rm", "--network=host", f"--volume={endpoint.ca_file}:/ca.crt:ro"),
        *as_podman_runs_it(container, host=host),
        *(f"--env={name}={value}" for name, value in settings.items()),
        *(agent_image, *container["args"]),
    ]
    with running(podman, arguments, log=tmp_path / "agent.log"):
        record = bucket.wait_for_record(ARCHIVE.filename)
    assert record.node.criu == "4.2.1"
    assert (archives / ARCHIVE.filename).exists()


@pytest.fixture
def first_process() -> Iterator[int]:
    """Process 1 of a node of its own, in the machine's files: this machine's own is out of reach
    where it is a sandbox."""
    outer = subprocess.Popen(
        ["unshare", "--pid", "--mount", "--fork", "--kill-child", "sleep", "infinity"]
    )
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    yield int(eventually(children.read_text, what="the first process"))
    outer.kill()
    outer.wait(60)


def test_the_component_node_facts_measures_the_programs_of_the_node(
    podman: Podman, agent_image: str, first_process: int, tmp_path: Path
) -> None:
    host, log = tmp_path / "host", tmp_path / "facts.log"
    container = pod_spec(tmp_path, "node-facts")["containers"][1]
    _write_scripts(host / "opt/on-host")
    arguments = [
        *("run", "--rm", "--network=none", f"--pid=ns:/proc/{first_process}/ns/pid"),
        *as_podman_runs_it(container, host=host),
        *(f"--env=CLUSTER_NAME={CLUSTER}", f"--entrypoint={container['command'][0]}"),
        agent_image,
    ]
    with running(podman, arguments, log=log):
        written = host / "run/transition-agent/facts.json"
        eventually(written.exists, what="facts.json")
    measured = NodeFacts.model_validate_json(written.read_text())
    assert (measured.cluster, measured.node) == (CLUSTER, NODE)
    assert measured.kernel == os.uname().release
    assert measured.runc is not None  # the machine's: the image has none
    assert measured.crio is None


def _write_scripts(folder: Path) -> None:
    """What Kubernetes mounts from the component's ConfigMap."""
    folder.mkdir(parents=True)
    component = KUBERNETES / "components" / "node-facts"
    scripts = yaml.safe_load((component / "on-host.yaml").read_text())["data"]
    patch = yaml.safe_load((component / "kustomization.yaml").read_text())["patches"][0]["patch"]
    for item in yaml.safe_load(patch)[-1]["value"]["configMap"]["items"]:
        (folder / item["path"]).write_text(scripts[item["key"]])
        (folder / item["path"]).chmod(0o555)
