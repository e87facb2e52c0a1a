"""A DAG bundle of policy files: each policy its own parse, and each broken file its own error.

In `[dag_processor] dag_bundle_config_list`:

    [{"name": "policies", "classpath": "airflow_transition.policy_bundle.PolicyDagBundle",
      "kwargs": {"policies_folder": "/etc/transition/policies"}}]

The bundle is a folder of stubs, one for each policy, that hold the policy itself: a task parses its
own stub and reads nothing else. A stub is written only when its policy changed, so that only then
its DAGs are parsed again.
"""

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle
from airflow.sdk import conf

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import PolicyFiles, find_policies, policy_paths
from airflow_transition.settings import policies_folder

_STATE = ".policies"
"""In the bundle's folder: what the stubs were made from."""


class PolicyDagBundle(BaseDagBundle):
    """One DAG file for each policy below a folder.

    :param policies_folder: where the policies are; default: `[transition] policies_folder`.
    """

    supports_versioning = False

    def __init__(self, *, policies_folder: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.policies_folder = policies_folder

    @property
    def path(self) -> Path:
        return self.base_dir

    def get_current_version(self) -> None:
        return None

    def initialize(self) -> None:
        self.refresh()
        super().initialize()

    def refresh(self) -> None:
        """Bring the stubs up to date; costs one `stat` a file where nothing changed.

        Every worker calls this at the start of each task.
        """
        folder = self._policies_folder()
        state = _fingerprint(folder)
        if self._is_current(state):
            return
        with self.lock():
            write_stubs(self.path, files=find_policies(folder))
            _write(self.path / _STATE, text=state)

    def _policies_folder(self) -> Path:
        if self.policies_folder is not None:
            return Path(self.policies_folder)
        return policies_folder(beside=Path(conf.get("core", "dags_folder")))

    def _is_current(self, state: str) -> bool:
        file = self.path / _STATE
        return file.is_file() and file.read_text() == state


def write_stubs(folder: Path, *, files: PolicyFiles) -> None:
    """Make `folder` hold exactly the stubs of these policies; an unchanged one is not touched."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = dict(_stubs(files))
    for stub in folder.glob("*.py"):
        if stub.name not in wanted:
            stub.unlink(missing_ok=True)
    for name, text in wanted.items():
        stub = folder / name
        if not stub.is_file() or stub.read_text() != text:
            _write(stub, text=text)


def _stubs(files: PolicyFiles) -> Iterator[tuple[str, str]]:
    for policy in files.policies:
        yield f"policy_{policy.name}.py", _policy_stub(policy)
    for error in files.errors:
        name = hashlib.sha256(str(error.path).encode()).hexdigest()[:16]
        yield f"broken_{name}.py", _error_stub(str(error))


def _policy_stub(policy: ClusterPolicy) -> str:
    return (
        '"""Airflow DAGs of one policy; written by airflow_transition.policy_bundle."""\n\n'
        "from airflow_transition.core.policy import ClusterPolicy\n"
        "from airflow_transition.policy_dags import dags_of\n\n"
        f"POLICY = {policy.model_dump_json(exclude_none=True)!r}\n\n"
        "globals().update(dags_of([ClusterPolicy.model_validate_json(POLICY)]))\n"
    )


def _error_stub(errors: str) -> str:
    return (
        '"""No airflow DAG, but what is wrong with a policy file."""\n\n'
        "from airflow_transition.policy_dags import refuse\n\n"
        f"refuse([{errors!r}])\n"
    )


def _fingerprint(folder: Path) -> str:
    """Changes when a policy file is added, removed or written."""
    stats = ((path, path.stat()) for path in policy_paths(folder))
    lines = [str(folder), *(f"{path} {stat.st_mtime_ns} {stat.st_size}" for path, stat in stats)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _write(file: Path, *, text: str) -> None:
    """In one step: another process may be reading."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    partial.write_text(text)
    partial.replace(file)
