"""What the shipped roles grant, and what a call asks for: both in RBAC's words."""

import re
from pathlib import Path

import yaml

KUBERNETES = Path(__file__).parents[4] / "agent" / "deploy" / "kubernetes"
COMPONENTS = (
    *("checkpoint-direct", "checkpoint-proxy", "failover"),
    *("isolation", "quiesce-hooks", "staging", "velero"),
)
ROLES = {
    "airflow": KUBERNETES / "airflow" / "cluster-role.yaml",
    **{name: KUBERNETES / "components" / name / "cluster-role.yaml" for name in COMPONENTS},
}
ENGINES = {name: KUBERNETES / "components" / name / "role.yaml" for name in ("argocd", "flux")}
"""In the engine's own namespace alone."""

Right = tuple[str, str, str]
"""API group, resource and verb; a path that is no resource has the group `url`."""

EVERYBODYS: frozenset[Right] = frozenset(
    {
        ("url", "/version", "get"),
        ("url", "/apis", "get"),
        ("authorization.k8s.io", "selfsubjectaccessreviews", "create"),
    }
)
"""Granted to everybody by Kubernetes' own roles (system:public-info-viewer, system:discovery,
system:basic-user)."""

_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}
_RESOURCE = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/v\w+/(?:namespaces/[^/]+/(?=\w))?(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<sub>[a-z]+).*)?)?$"
)
_KUBELET = re.compile(r"^/checkpoint/[^/]+/[^/]+/[^/]+$")


def right(method: str, path: str) -> Right:
    """What the authorizer is asked for when this call comes."""
    if _KUBELET.match(path):
        return "", "nodes/checkpoint", _VERBS[method]
    found = _RESOURCE.match(path)
    if found is None:
        return "url", path, method.lower()
    resource = found["plural"] + (f"/{found['sub']}" if found["sub"] else "")
    verb = _VERBS.get(method) or ("get" if found["name"] else "list")
    return found["group"] or "", resource, verb


def granted(role: str) -> set[Right]:
    """Everything that the role named in ROLES or ENGINES allows."""
    rules = yaml.safe_load({**ROLES, **ENGINES}[role].read_text())["rules"]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule.get("apiGroups", [])
        for resource in rule["resources"]
        for verb in rule["verbs"]
    } | {
        ("url", url, verb)
        for rule in rules
        for url in rule.get("nonResourceURLs", [])
        for verb in rule["verbs"]
    }


def granted_by_all() -> set[Right]:
    """What a user has to whom every shipped role is bound."""
    return {each for role in (*ROLES, *ENGINES) for each in granted(role)} | EVERYBODYS
