"""The reference promises errors: it is held to the code."""

import inspect
import re
from pathlib import Path

import pytest

from airflow_transition.core import isolation as isolation_rules
from airflow_transition.core import kubeconfig
from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks import (
    cluster,
    connection,
    desired,
    door,
    git_errors,
    gitea_client,
    gitops_engine,
    isolation,
    kubelet,
    kubelet_road,
    management_cluster,
    pod_turn,
    quiesce,
    restored,
    staging,
    velero,
)
from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.operators import canary, canary_run, isolated_restore, restore_test

from .api_server import ApiServer, status

_MODULES = (
    kubelet,
    kubelet_road,
    restored,
    door,
    quiesce,
    pod_turn,
    velero,
    isolation,
    isolation_rules,
    isolated_restore,
    restore_test,
    canary_run,
    canary,
    staging,
    cluster,
    desired,
    git_errors,
    gitea_client,
    gitops_engine,
    connection,
    management_cluster,
    kubeconfig,
)
REFERENCE = Path(__file__).parents[4] / "docs" / "reference"


def test_every_error_is_in_the_reference_with_its_kind() -> None:
    kinds = {}
    for line in (REFERENCE / "errors.md").read_text().splitlines():
        if line.startswith("| `"):
            names, kind, _ = line.strip("| ").split(" | ")
            kinds |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    found = {
        name: "permanent" if issubclass(each, PermanentError) else "temporary"
        for module in _MODULES
        for name, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, PermanentError | TemporaryError) and each.__module__ == module.__name__
    }
    assert {name: kinds.get(name) for name in found} == found


def test_a_refusal_names_the_call_that_the_role_must_allow(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.on_call = lambda _method, _path: status(403, "deployments.apps is forbidden")
    with pytest.raises(PermanentError, match=r"GET /apis/apps/v1/deployments.*by RBAC"):
        hook.find_workload("video")
