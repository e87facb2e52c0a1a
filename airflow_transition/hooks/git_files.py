"""Manifests in a clone: read and written byte for byte, and never outside of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from airflow_transition.hooks.git_errors import (
    FolderNotFoundError,
    FolderTooLargeError,
    NotTextError,
    PathRefusedError,
)

_SUFFIXES = (".yaml", ".yml")
_KUSTOMIZATION = "Kustomization"
_MAX_FILES = 2000
_MAX_LOOKED_AT = 50_000
_MAX_FILE_BYTES = 1024 * 1024


def read_folder(root: Path, folder: str) -> dict[str, str]:
    """Manifests below `folder` by their path from the clone's root, with `/` between its parts."""
    base = inside(root, folder)
    if not base.is_dir():
        raise FolderNotFoundError(
            "the repository has no such folder",
            where=folder,
            do="check packagePath in the policy",
        )
    files: dict[str, str] = {}
    for path in sorted(_manifests(base)):
        size = path.stat().st_size
        if len(files) == _MAX_FILES or size > _MAX_FILE_BYTES:
            raise FolderTooLargeError(
                "the folder holds more than manifests",
                where=folder,
                found=f"{path.name} of {size} bytes after {len(files)} files",
                do="point packagePath to the package's own folder",
            )
        files[path.relative_to(root).as_posix()] = _text(path)
    return files


def read_folders(root: Path, folders: Sequence[str]) -> dict[str, dict[str, str]]:
    """`read_folder` of each, by folder; one that the clone does not have is left out."""
    return {
        folder: read_folder(root, folder) for folder in folders if inside(root, folder).is_dir()
    }


def read_holding(root: Path, text: str) -> dict[str, str]:
    """Manifests anywhere in the clone that hold `text`; the others are no matter of ours.

    Links are left out: what they lead to stands in a folder of its own.
    """
    wanted, files, looked = text.encode(), {}, 0
    for path in sorted(_manifests(root)):
        looked += 1
        if looked > _MAX_LOOKED_AT:
            raise FolderTooLargeError(
                "the repository holds more manifests than are looked through",
                where="repository",
                found=f"more than {_MAX_LOOKED_AT} files",
                do="list the packages in packageSelectors, with selectMode: Specific",
            )
        if path.is_symlink() or path.stat().st_size > _MAX_FILE_BYTES:
            continue
        if wanted in path.read_bytes():
            files[path.relative_to(root).as_posix()] = _text(path)
    return files


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Write those of `files` that differ from what the clone has."""
    for name, text in files.items():
        path, content = inside(root, name), text.encode()
        if path.is_symlink():
            raise PathRefusedError(
                "a link would change a file that belongs to others",
                where=name,
                found=f"a link to {path.readlink()}",
                do="make it a file of the package's own",
            )
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def replace_files(root: Path, *, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Write `after`, and remove what only `before` has."""
    write_files(root, after)
    for name in before.keys() - after.keys():
        inside(root, name).unlink()


def remove_others(root: Path, folder: str, *, files: Mapping[str, str]) -> None:
    """Remove the manifests below `folder` that are not among `files`: for a folder of our own."""
    base = inside(root, folder)
    for path in list(_manifests(base)) if base.is_dir() else ():
        if path.relative_to(root).as_posix() not in files:
            path.unlink()


def inside(root: Path, name: str) -> Path:
    """The path of `name` in the clone at `root`; anything that would leave it is refused."""
    parts = PurePosixPath(name)
    path = root / parts
    if parts.is_absolute() or ".." in parts.parts or not _stays(path, root=root):
        raise PathRefusedError(
            "the path leads out of the repository",
            where=name,
            do="give a path inside the repository, without `..` and without links that leave it",
        )
    return path


def _stays(path: Path, *, root: Path) -> bool:
    try:
        parts = path.resolve().relative_to(root.resolve()).parts
    except (ValueError, OSError, RuntimeError):  # outside; not to be followed; links in a circle
        return False
    return not any(part.lower() == ".git" for part in parts)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise NotTextError(
            "the manifest is no UTF-8 text",
            where=path.name,
            found=f"{error.reason} at byte {error.start}",
            do="save it as UTF-8",
        ) from error


def _manifests(base: Path) -> Iterator[Path]:
    for path in base.rglob("*"):
        manifest = path.suffix in _SUFFIXES or path.name == _KUSTOMIZATION
        if manifest and path.is_file() and ".git" not in path.parts:
            yield path
