"""Runs once before Airflow's services start, and again at every start: tables, users, passwords.

Secrets come by the environment, never on a command line, which any user of the machine can read.
"""

import os
import subprocess
from pathlib import Path

import bcrypt
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

ADMIN, TASKS = "admin", "transition"
_USERS = (
    (ADMIN, "Admin", "AIRFLOW_ADMIN_PASSWORD"),
    # The lowest of Airflow's own roles that may trigger a DAG, which is what claims ask for.
    (TASKS, "User", "AIRFLOW_TASKS_PASSWORD"),
)
_HTPASSWD = Path("/registry-auth/htpasswd")


def make_users() -> None:
    """Users that are there keep the password that they have."""
    with get_application_builder() as builder:
        people = builder.sm
        for name, role, variable in _USERS:
            if people.find_user(username=name) is None:
                made = people.add_user(
                    username=name,
                    first_name=name,
                    last_name="",
                    email=f"{name}@localhost",
                    role=people.find_role(role),
                    password=os.environ[variable],
                )
                if not made:
                    raise SystemExit(f"the user {name} cannot be made; see the log above")
                print(f"made the user {name}, role {role}")


def write_htpasswd() -> None:
    """The registry's one account, hashed as the registry wants it."""
    password = os.environ["REGISTRY_PASSWORD"].encode()
    line = b"airflow:" + bcrypt.hashpw(password, bcrypt.gensalt()) + b"\n"
    partial = _HTPASSWD.with_name(".htpasswd")
    partial.write_bytes(line)
    partial.chmod(0o644)
    partial.replace(_HTPASSWD)


if __name__ == "__main__":
    subprocess.run(["airflow", "db", "migrate"], check=True)
    make_users()
    write_htpasswd()
