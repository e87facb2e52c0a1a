from pathlib import Path

import pytest

from airflow_transition.hooks.git_errors import (
    FolderNotFoundError,
    FolderTooLargeError,
    NotTextError,
    PathRefusedError,
)
from airflow_transition.hooks.git_files import inside, read_folder, read_holding, write_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    package = tmp_path / "clone" / "packages" / "video"
    package.mkdir(parents=True)
    (package / "deployment.yaml").write_bytes(b"kind: Deployment\r\nname: \xc3\xa9\n\n")
    (package / "Kustomization").write_text("resources: []\n")
    (package / "README.md").write_text("# video\n")
    return tmp_path / "clone"


def test_a_folder_is_read_byte_for_byte_by_paths_from_the_root(root: Path) -> None:
    assert read_folder(root, "packages/video") == {
        "packages/video/Kustomization": "resources: []\n",
        "packages/video/deployment.yaml": "kind: Deployment\r\nname: é\n\n",
    }


def test_manifests_that_hold_a_text_are_found_anywhere_and_links_are_left_out(root: Path) -> None:
    (root / "app.yml").write_text("packageName: cart\n")
    (root / "notes.md").write_text("packageName: in words\n")
    (root / "again.yaml").symlink_to("app.yml")
    (root / "out.yaml").symlink_to("/etc/hostname")
    (root / ".git").mkdir()
    (root / ".git" / "x.yaml").write_text("packageName: git's own\n")
    (root / "large.yaml").write_bytes(b"packageName" * 200_000)
    assert read_holding(root, "packageName") == {"app.yml": "packageName: cart\n"}


def test_writing_back_what_was_read_touches_no_file(root: Path) -> None:
    def times() -> list[int]:
        return [path.stat().st_mtime_ns for path in root.rglob("*")]

    before = times()
    write_files(root, read_folder(root, "."))
    assert times() == before


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../other", "a/../../b", ".git/config", "a/.GIT/hooks/x", "out/x", "loop"],
)
def test_a_path_that_leaves_the_clone_is_refused(name: str, root: Path) -> None:
    (root / "out").symlink_to("/tmp")  # noqa: S108 - only a target
    (root / "loop").symlink_to("loop")
    for use in (
        lambda: inside(root, name),
        lambda: read_folder(root, name),
        lambda: write_files(root, {name: "x"}),
    ):
        with pytest.raises(PathRefusedError):
            use()


def test_a_link_into_git_itself_is_refused(root: Path) -> None:
    (root / ".git").mkdir()
    (root / "config.yaml").symlink_to(".git/config")
    with pytest.raises(PathRefusedError):
        inside(root, "config.yaml")


def test_a_file_that_is_a_link_is_not_written_through(root: Path) -> None:
    (root / "base.yaml").write_text("shared")
    (root / "packages/video/base.yaml").symlink_to("../../base.yaml")
    files = read_folder(root, "packages/video")
    assert files["packages/video/base.yaml"] == "shared"
    with pytest.raises(PathRefusedError, match="belongs to others"):
        write_files(root, files | {"packages/video/base.yaml": "changed"})
    assert (root / "base.yaml").read_text() == "shared"


def test_a_missing_folder_says_where_it_is_named(root: Path) -> None:
    with pytest.raises(FolderNotFoundError, match="packagePath"):
        read_folder(root, "packages/vidoe")


def test_what_is_no_manifest_by_its_size_is_refused(root: Path) -> None:
    (root / "big.yaml").write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(FolderTooLargeError, match=r"big\.yaml"):
        read_folder(root, ".")


def test_a_manifest_that_is_no_text_is_refused(root: Path) -> None:
    (root / "latin.yaml").write_bytes(b"\xe9")
    with pytest.raises(NotTextError, match=r"latin\.yaml"):
        read_folder(root, ".")
