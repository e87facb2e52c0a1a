"""Configuration of the lab's Airflow, as environment variables of its processes."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

_KEPT_FROM_OUTSIDE = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")

_TUNED = {
    ("core", "load_examples"): "False",
    ("core", "parallelism"): "8",  # 0.72 GiB instead of 1.1 GiB
    ("core", "executor"): "LocalExecutor",
    ("api", "workers"): "1",
    ("api", "expose_config"): "False",
    # an idle scheduler takes 17 % of a core, and a task starts 0.7 s earlier
    ("scheduler", "scheduler_idle_sleep_time"): "0.1",
    # plugins before LocalExecutor forks its workers, so that they share what is preloaded
    ("core", "lazy_load_plugins"): "False",
    ("transition", "preload"): "True",
    ("workers", "min_heartbeat_interval"): "1",
    # after a crash a task is taken up again in seconds, not in five minutes
    ("scheduler", "orphaned_tasks_check_interval"): "10",
    ("scheduler", "scheduler_health_check_threshold"): "15",
    ("scheduler", "task_instance_heartbeat_timeout"): "30",
    ("scheduler", "task_instance_heartbeat_timeout_detection_interval"): "5",
    ("triggerer", "triggerer_health_check_threshold"): "15",
    ("triggerer", "job_heartbeat_sec"): "3",
    # a changed policy is seen in seconds
    ("dag_processor", "min_file_process_interval"): "5",
    ("dag_processor", "refresh_interval"): "5",
    ("dag_processor", "bundle_refresh_check_interval"): "2",
    ("usage_data_collection", "enabled"): "False",
    ("logging", "logging_level"): "INFO",
}


@dataclass(frozen=True)
class Secrets:
    """What only the processes of one instance may know; kept beside its database, mode 0600."""

    password: str
    fernet_key: str
    jwt_secret: str
    api_secret_key: str

    @classmethod
    def create(cls) -> "Secrets":
        return cls(
            password=os.urandom(12).hex(),
            fernet_key=Fernet.generate_key().decode(),
            jwt_secret=os.urandom(32).hex(),
            api_secret_key=os.urandom(32).hex(),
        )


def environment(
    *,
    home: Path,
    port: int,
    host: str = "127.0.0.1",
    dags_folder: Path,
    policies_folder: Path,
    database_url: str,
    secrets: Secrets,
    extra: Mapping[tuple[str, str], str],
) -> dict[str, str]:
    """The whole environment of an Airflow process: nothing of the caller's `AIRFLOW__*` gets in."""
    url = f"http://{host}:{port}"
    settings = {
        **_TUNED,
        ("core", "dags_folder"): str(dags_folder),
        ("core", "execution_api_server_url"): f"{url}/execution/",
        ("core", "fernet_key"): secrets.fernet_key,
        ("core", "simple_auth_manager_users"): "admin:admin",
        ("core", "simple_auth_manager_passwords_file"): str(home / "passwords.json"),
        ("api", "base_url"): url,
        ("api", "host"): host,
        ("api", "port"): str(port),
        ("api", "secret_key"): secrets.api_secret_key,
        ("api_auth", "jwt_secret"): secrets.jwt_secret,
        ("database", "sql_alchemy_conn"): database_url,
        ("dag_processor", "dag_bundle_storage_path"): str(home / "bundles"),
        ("logging", "base_log_folder"): str(home / "logs" / "tasks"),
        ("transition", "policies_folder"): str(policies_folder),
        **extra,
    }
    variables = {_variable(section, key): value for (section, key), value in settings.items()}
    kept = {name: os.environ[name] for name in _KEPT_FROM_OUTSIDE if name in os.environ}
    return {**kept, **variables, "AIRFLOW_HOME": str(home), "PYTHONUNBUFFERED": "1"}


def connection_entity(conn_id: str, connection: Mapping[str, object]) -> dict[str, object]:
    """A connection as the REST API takes it, from Airflow's JSON form."""
    extra = connection.get("extra")
    fields = {key: value for key, value in connection.items() if key != "extra"}
    if extra:
        fields["extra"] = extra if isinstance(extra, str) else json.dumps(extra)
    return {"connection_id": conn_id, **fields}


def _variable(section: str, key: str) -> str:
    return f"AIRFLOW__{section.upper()}__{key.upper()}"
