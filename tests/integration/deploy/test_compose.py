"""docker-compose.yaml is what Docker Compose takes, and is safe as it comes.

Its servers are not started here: most have no package. What is held is what can be read.
"""

import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import packages
from lab.command import run
from lab.errors import CommandError

from .podman import ROOT

FILES = ("docker-compose.yaml", "deploy/init")
SECRET = re.compile(r"^[0-9a-f]{48}$|^[\w-]{43}=$")


@pytest.fixture(scope="session")
def compose_root() -> Path:
    """Debian's docker-compose with all that it needs, to be entered by chroot: nothing of the
    machine is changed."""
    suite = packages.own_suite()
    assert suite is not None
    cache = ROOT / ".lab-tests" / "cache" / "docker-compose"
    return packages.cached(cache, packages=("docker-compose",), suite=suite)


@pytest.fixture
def project(compose_root: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the files below that root, as the repository holds them."""
    folder = compose_root / "tmp" / tmp_path.name
    shutil.rmtree(folder, ignore_errors=True)
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    yield folder
    shutil.rmtree(folder)


def init(project: Path) -> dict[str, str]:
    run(str(project / "deploy" / "init"))
    lines = (project / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def config(compose_root: Path, project: Path) -> Any:
    inside = f"/{project.relative_to(compose_root)}"
    return yaml.safe_load(
        run(
            *("chroot", str(compose_root), "/usr/bin/python3", "/usr/bin/docker-compose"),
            *(f"--project-directory={inside}", f"--file={inside}/docker-compose.yaml", "config"),
        )
    )


def test_without_passwords_of_its_own_it_says_what_to_run(
    compose_root: Path, project: Path
) -> None:
    with pytest.raises(CommandError, match="run deploy/init first"):
        config(compose_root, project)


def test_the_first_start_makes_passwords_that_only_the_owner_reads(project: Path) -> None:
    made = init(project)
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert all(SECRET.match(value) for value in made.values())
    assert len(set(made.values())) == len(made)


def test_a_second_init_changes_nothing(project: Path) -> None:
    assert init(project) == init(project)


def test_git_does_not_see_the_passwords() -> None:
    ignored = subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_compose_takes_the_file(compose_root: Path, project: Path) -> None:
    secrets = init(project)
    read = config(compose_root, project)
    assert set(read["services"]) == {
        *("postgres", "redis", "minio", "minio-setup", "registry", "gitea", "gitea-setup", "setup"),
        *("api-server", "scheduler", "dag-processor", "triggerer", "worker", "receiver"),
    }
    text = yaml.safe_dump(read)
    assert [name for name, value in secrets.items() if value not in text] == []


def test_everything_is_published_on_loopback_only(compose_root: Path, project: Path) -> None:
    init(project)
    published = [
        port
        for service in config(compose_root, project)["services"].values()
        for port in service.get("ports", [])
    ]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_every_server_has_a_health_check_and_a_pinned_image(
    compose_root: Path, project: Path
) -> None:
    init(project)
    services = config(compose_root, project)["services"]
    assert [
        name for name, each in services.items() if not re.search(r":\S*\d", each["image"])
    ] == []
    unchecked = {name for name, each in services.items() if "healthcheck" not in each}
    assert unchecked == {"setup", "minio-setup", "gitea-setup"}


def test_a_worker_has_no_way_to_the_metadata_database(compose_root: Path, project: Path) -> None:
    secrets = init(project)
    worker = yaml.safe_dump(config(compose_root, project)["services"]["worker"])
    assert secrets["POSTGRES_PASSWORD"] not in worker
    assert secrets["AIRFLOW_FERNET_KEY"] not in worker


def test_no_command_line_carries_a_secret(compose_root: Path, project: Path) -> None:
    secrets = init(project)
    for name, service in config(compose_root, project)["services"].items():
        told = yaml.safe_dump([service.get("command"), service.get("entrypoint")])
        assert [key for key, value in secrets.items() if value in told] == [], name


def test_every_folder_that_is_mounted_is_there() -> None:
    mounted = re.findall(r"[- ]\"?\.(/[\w./-]+):/", (ROOT / "docker-compose.yaml").read_text())
    assert mounted
    assert [path for path in mounted if not (ROOT / path.strip("/")).exists()] == []
