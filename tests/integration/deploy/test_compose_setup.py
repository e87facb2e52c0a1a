"""What docker-compose.yaml runs once makes what it says, at the first start and at every other.

MinIO and Gitea have no package here: their clients are stood in for by programs that keep state and
refuse what the real ones refuse. The shell is the real one.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .podman import ROOT

SECRETS = {
    "MINIO_ROOT_PASSWORD": "root-secret",
    "S3_AIRFLOW_SECRET_KEY": "airflow-secret",
    "S3_AGENT_SECRET_KEY": "agent-secret",
}
SCRATCH = "/tmp/"  # noqa: S108 - of the container
GITEA = """\
#!/bin/sh
set -eu
echo "$@" >>"$STATE/command-lines"
case "$1 $2 $3" in
    "admin user list")
        echo "ID Username Email IsActive IsAdmin 2FA"
        cat "$STATE/users" 2>/dev/null || true ;;
    "admin user create")
        if grep -q transition "$STATE/users" 2>/dev/null; then echo "already exists" >&2; exit 1; fi
        echo "1 transition transition@localhost.localdomain true true false" >>"$STATE/users" ;;
    *) echo "unknown command" >&2; exit 1 ;;
esac
"""


@dataclass(frozen=True)
class MinIo:
    """The script as it stands, with its two absolute paths moved below `folder`."""

    folder: Path

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def set_up(self, **changes: str) -> subprocess.CompletedProcess[str]:
        script = (ROOT / "deploy" / "compose" / "minio-setup").read_text()
        moved = script.replace("/setup/", f"{ROOT}/deploy/compose/").replace(
            SCRATCH, f"{self.folder}/"
        )
        return subprocess.run(
            ["/bin/bash"],
            input=moved,
            # nothing but the client: MinIO's image has no sed and no grep either
            env={
                "PATH": str(self.folder / "bin"),
                "MC_STATE": str(self.folder / "state.json"),
                "MINIO_ROOT_USER": "root",
                "S3_BUCKET": "memories",
                **SECRETS,
                **changes,
            },
            capture_output=True,
            text=True,
            check=False,
        )


def program(folder: Path, name: str, text: str) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    file = folder / "bin" / name
    file.write_text(text)
    file.chmod(0o755)


@pytest.fixture
def minio(tmp_path: Path) -> MinIo:
    client = Path(__file__).with_name("fake_mc.py").read_text()
    program(tmp_path, "mc", f"#!{sys.executable}\n{client}")
    host = f"http://root:{SECRETS['MINIO_ROOT_PASSWORD']}@minio:9000"
    empty: dict[str, Any] = {"buckets": {}, "policies": {}, "users": {}, "command_lines": []}
    (tmp_path / "state.json").write_text(json.dumps({"host": host, **empty}))
    return MinIo(tmp_path)


def test_the_first_start_makes_a_private_bucket_and_two_accounts(minio: MinIo) -> None:
    done = minio.set_up()
    assert done.returncode == 0, done.stderr
    state = minio.state
    assert state["buckets"] == {"memories": "none"}
    assert {name: (each["secret"], each["policies"]) for name, each in state["users"].items()} == {
        "airflow": ("airflow-secret", ["transition-airflow"]),
        "agent": ("agent-secret", ["transition-agent"]),
    }


def test_an_account_may_do_nothing_outside_of_the_bucket(minio: MinIo) -> None:
    minio.set_up()
    resources = {
        resource
        for policy in minio.state["policies"].values()
        for statement in policy["Statement"]
        for resource in statement["Resource"]
    }
    assert resources
    assert {resource.partition("/")[0] for resource in resources} == {"arn:aws:s3:::memories"}


def test_the_agents_account_deletes_no_archive(minio: MinIo) -> None:
    minio.set_up()
    deleting = [
        statement["Resource"]
        for statement in minio.state["policies"]["transition-agent"]["Statement"]
        if {"s3:DeleteObject", "s3:*"} & set(statement["Action"])
    ]
    assert all("probe" in resource for resources in deleting for resource in resources)


def test_a_second_start_changes_nothing_but_renewed_secrets(minio: MinIo) -> None:
    minio.set_up()
    before = minio.state
    done = minio.set_up(S3_AGENT_SECRET_KEY="renewed")
    assert done.returncode == 0, done.stderr
    after = minio.state
    assert after["users"]["agent"]["secret"] == "renewed"
    assert after["users"]["agent"]["policies"] == before["users"]["agent"]["policies"]
    assert after["buckets"] == before["buckets"]


def test_no_secret_is_on_a_command_line_or_in_what_is_printed(minio: MinIo) -> None:
    done = minio.set_up()
    told = json.dumps(minio.state["command_lines"]) + done.stdout + done.stderr
    assert [name for name, secret in SECRETS.items() if secret in told] == []


def test_a_wrong_root_password_ends_the_start(minio: MinIo) -> None:
    done = minio.set_up(MINIO_ROOT_PASSWORD="wrong")
    assert done.returncode != 0
    assert "credentials" in done.stderr
    assert minio.state["users"] == {}


def test_gitea_gets_its_one_administrator_once(tmp_path: Path) -> None:
    program(tmp_path, "gitea", GITEA)
    document = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    entrypoint = [
        word.replace("$$", "$") for word in document["services"]["gitea-setup"]["entrypoint"]
    ]
    for _ in range(2):
        done = subprocess.run(
            entrypoint,
            env={
                "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
                "STATE": str(tmp_path),
                "GITEA_ADMIN_PASSWORD": "generated",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    created = [
        line
        for line in (tmp_path / "command-lines").read_text().splitlines()
        if line.startswith("admin user create")
    ]
    assert len(created) == 1
    assert "--password generated" in created[0]
    assert "--must-change-password=false" in created[0]
