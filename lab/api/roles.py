"""What the ServiceAccount of agent/deploy/kubernetes may do, read from the files that ship it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Right = tuple[str, str, str]
"""API group, resource with its subresource, and verb."""

SOURCE_USER = "system:serviceaccount:transition:airflow-source"
"""Where packages are checkpointed, by the API server's road."""
TARGET_USER = "system:serviceaccount:transition:airflow-target"
"""Where packages only come to."""

SHIPPED = {
    SOURCE_USER: ("airflow", "components/checkpoint-proxy"),
    TARGET_USER: ("airflow",),
}
"""Which folders' roles are bound to a user."""

_KUBERNETES = Path(__file__).resolve().parents[2] / "agent" / "deploy" / "kubernetes"


def rights_of(user: str) -> frozenset[Right]:
    """Everything that is granted to one of the users above."""
    return frozenset(right for folder in SHIPPED[user] for right in _granted(folder))


def _granted(folder: str) -> Iterator[Right]:
    role: dict[str, Any] = yaml.safe_load((_KUBERNETES / folder / "cluster-role.yaml").read_text())
    for rule in role["rules"]:
        for group in rule.get("apiGroups", ()):
            for resource in rule.get("resources", ()):
                for verb in rule["verbs"]:
                    yield group, resource, verb
