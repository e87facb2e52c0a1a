"""A package's folder in a working tree, as texts."""

from collections.abc import Mapping
from pathlib import Path

_SUFFIXES = frozenset({".yaml", ".yml"})


def read_files(folder: Path) -> dict[str, str]:
    """Manifests below `folder`, by their path inside it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode()
        for path in sorted(folder.rglob("*"))
        if path.suffix in _SUFFIXES and path.is_file()
    }


def write_files(folder: Path, *, files: Mapping[str, str]) -> None:
    """Write manifests below `folder`, byte for byte; what else is there stays."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
