"""The manifests are what Kubernetes takes, and ask of a node no more than they say."""

import itertools
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from transition_agent.settings import AgentSettings

from airflow_transition.core.isolation import CANARY_NAMESPACE, TEST_NAMESPACE
from airflow_transition.core.staging import STAGING_NAMESPACE

from .kustomize import Json, render

KUBERNETES = Path(__file__).parents[3] / "agent" / "deploy" / "kubernetes"
OF_THE_AGENT = (
    "fencing",
    "heartbeats",
    "lease-guard",
    "node-facts",
    "receiver-ca",
    "remove-archives",
    "s3-ca",
)
OF_AIRFLOW = (
    *("checkpoint-direct", "checkpoint-proxy", "failover"),
    *("isolation", "quiesce-hooks", "staging", "velero", "argocd", "flux"),
)
VERSIONS = ("1.30", "1.36")
"""The oldest that is supported, and the one whose answers were recorded."""


def overlay(folder: Path, *components: str) -> Path:
    """A folder as a user makes it, with these components."""
    wanted = {
        "kind": "Kustomization",
        "resources": [str(KUBERNETES / "agent"), str(KUBERNETES / "airflow")],
        "components": [str(KUBERNETES / "components" / name) for name in components],
    }
    folder.mkdir(exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    return folder


def daemon_set(manifests: list[Json]) -> Json:
    return next(item for item in manifests if item["kind"] == "DaemonSet")


def agent_of(manifests: list[Json]) -> Any:
    return daemon_set(manifests)["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("wanted", ["agent", "airflow", "example", "everything", "management"])
def test_every_manifest_is_valid_by_the_published_schemas(
    wanted: str, version: str, tmp_path: Path
) -> None:
    folder = KUBERNETES / wanted
    if wanted == "everything":
        folder = overlay(tmp_path / wanted, *OF_THE_AGENT, *OF_AIRFLOW)
    for manifest in render(folder):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_an_unknown_field_is_found(tmp_path: Path) -> None:
    manifests = render(overlay(tmp_path))
    daemon_set(manifests)["spec"]["template"]["spec"]["tolerants"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="tolerants"):
        kubernetes_validate.validate(daemon_set(manifests), "1.36", strict=True)


@pytest.mark.parametrize("chosen", list(itertools.combinations(OF_THE_AGENT, 2)))
def test_components_go_together_in_any_order(chosen: tuple[str, ...], tmp_path: Path) -> None:
    one = daemon_set(render(overlay(tmp_path / "one", *chosen)))
    other = daemon_set(render(overlay(tmp_path / "other", *reversed(chosen))))

    def unordered(part: Any) -> Any:
        if isinstance(part, dict):
            return sorted((key, repr(unordered(value))) for key, value in part.items())
        return sorted(repr(unordered(item)) for item in part) if isinstance(part, list) else part

    assert unordered(one) == unordered(other)


def test_every_component_is_known_here() -> None:
    there = {path.name for path in (KUBERNETES / "components").iterdir()}
    assert there == {*OF_THE_AGENT, *OF_AIRFLOW}


def test_the_agent_has_no_capability_and_writes_its_own_folder_only(tmp_path: Path) -> None:
    manifests = render(overlay(tmp_path))
    pod = daemon_set(manifests)["spec"]["template"]["spec"]
    rights = agent_of(manifests)["securityContext"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(pod)
    written = [
        mount["mountPath"]
        for mount in agent_of(manifests)["volumeMounts"]
        if "readOnly" not in mount
    ]
    assert written == ["/var/lib/transition-agent"]


@pytest.mark.parametrize(
    ("component", "rights", "host"),
    [
        ("remove-archives", {"drop": ["ALL"]}, set()),
        ("s3-ca", {"drop": ["ALL"]}, set()),
        ("receiver-ca", {"drop": ["ALL"]}, set()),
        ("heartbeats", {"drop": ["ALL"]}, set()),
        ("fencing", {"drop": ["ALL"]}, set()),
        ("lease-guard", {"drop": ["ALL"], "add": ["NET_ADMIN"]}, {"hostNetwork"}),
        ("node-facts", {"drop": ["ALL"]}, {"hostPID"}),
    ],
)
def test_a_component_gives_the_agent_what_it_says(
    component: str, rights: Json, host: set[str], tmp_path: Path
) -> None:
    manifests = render(overlay(tmp_path, component))
    assert agent_of(manifests)["securityContext"]["capabilities"] == rights
    pod = daemon_set(manifests)["spec"]["template"]["spec"]
    assert {name for name in pod if name.startswith("host")} == host


def test_every_variable_is_a_setting_of_the_agent(tmp_path: Path) -> None:
    manifests = render(overlay(tmp_path, *OF_THE_AGENT))
    settings = next(
        item
        for item in manifests
        if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "transition-agent"
    )
    given = {*settings["data"], *(entry["name"] for entry in agent_of(manifests)["env"])}
    known = {
        name
        for described in AgentSettings.model_fields.values()
        for name in described.validation_alias.choices
    }
    assert given - known == {"CONTAINER_RUNTIME_ENDPOINT"}  # which crictl reads


def test_an_agent_is_given_the_token_of_its_own_node_alone(tmp_path: Path) -> None:
    agent = agent_of(render(overlay(tmp_path, "heartbeats")))
    (mount,) = [each for each in agent["volumeMounts"] if each["name"] == "tokens"]
    assert mount["subPathExpr"] == "$(NODE_NAME)"


def test_nothing_of_a_secret_is_shipped() -> None:
    kinds = {
        manifest["kind"]
        for path in KUBERNETES.rglob("*.yaml")
        for manifest in yaml.safe_load_all(path.read_text())
    }
    assert "Secret" not in kinds


def test_airflow_makes_pods_and_removes_namespaces_of_its_own_names_only() -> None:
    folder = KUBERNETES / "components" / "isolation"
    role = yaml.safe_load((folder / "cluster-role.yaml").read_text())
    removed = next(rule for rule in role["rules"] if "namespaces" in rule["resources"])
    assert set(removed["resourceNames"]) == {CANARY_NAMESPACE, TEST_NAMESPACE}
    policy, binding = yaml.safe_load_all((folder / "pods-only-there.yaml").read_text())
    (rule,) = policy["spec"]["validations"]
    allowed = set(re.findall(r'"([\w-]+)"', rule["expression"]))
    assert allowed == {CANARY_NAMESPACE, TEST_NAMESPACE, STAGING_NAMESPACE}
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    (condition,) = policy["spec"]["matchConditions"]
    user = yaml.safe_load((KUBERNETES / "airflow" / "service-account.yaml").read_text())
    assert f':transition:{user["metadata"]["name"]}"' in condition["expression"]


def test_the_staging_role_holds_in_its_namespace_alone() -> None:
    folder = KUBERNETES / "components" / "staging"
    binding = yaml.safe_load((folder / "role-binding.yaml").read_text())
    made = yaml.safe_load((folder / "namespace.yaml").read_text())
    assert binding["kind"] == "RoleBinding"
    assert binding["metadata"]["namespace"] == made["metadata"]["name"] == STAGING_NAMESPACE
