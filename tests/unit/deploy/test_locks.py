"""What goes into an image is locked, by hash, and the lock knows all that the packages ask for."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
OWN = {"transition-wire", "transition-agent", "airflow-transition"}


def project(folder: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    return (
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")
    )


def locked(file: str) -> dict[str, str]:
    """Name to the whole entry, hashes included."""
    entries = re.split(r"^(?=[\w.-]+==)", (ROOT / file).read_text(), flags=re.MULTILINE)[1:]
    return {name_of(entry): entry for entry in entries}


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("agent/requirements.lock", project("agent")["project"]["dependencies"]),
        ("agent/requirements.lock", project("wire")["project"]["dependencies"]),
        ("requirements-container.lock", project(".")["project"]["dependencies"]),
        ("requirements-container.lock", project("wire")["project"]["dependencies"]),
        ("requirements-container.lock", project(".")["dependency-groups"]["container"]),
        ("requirements-build.lock", project(".")["build-system"]["requires"]),
    ],
)
def test_a_lock_holds_every_dependency_with_its_hashes(file: str, wanted: list[str]) -> None:
    entries = locked(file)
    assert {name_of(each) for each in wanted} - OWN - set(entries) == set()
    assert [name for name, entry in entries.items() if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("file", ["agent/requirements.lock", "requirements-container.lock"])
def test_an_image_runs_the_versions_that_were_tested(file: str) -> None:
    def versions(of: str) -> dict[str, str]:
        return {name: entry.split()[0] for name, entry in locked(of).items()}

    tested = versions("requirements.lock")
    differing = {
        name for name, pin in versions(file).items() if name in tested and tested[name] != pin
    }
    assert differing == set()


@pytest.mark.parametrize("file", ["agent/Containerfile", "Containerfile"])
def test_an_image_is_built_from_what_the_builder_is_given(file: str) -> None:
    """Everything that is copied is there, and passes .dockerignore."""
    given = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copies = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / file).read_text(), re.MULTILINE)
    for source in (each for copy in copies for each in copy.split()[:-1]):
        assert list(ROOT.glob(source)), source
        assert source.split("/")[0] in given, source


@pytest.mark.parametrize("file", ["agent/Containerfile", "Containerfile", "docker-compose.yaml"])
def test_no_registry_host_is_named(file: str) -> None:
    text = (ROOT / file).read_text()
    images = re.findall(r"BASE_IMAGE=(\S+)|_IMAGE:-([^}]+)\}", text)
    for image in (name for pair in images for name in pair if name):
        first = image.split("/")[0]
        assert "/" not in image or not re.search(r"[.:]|^localhost$", first), image
