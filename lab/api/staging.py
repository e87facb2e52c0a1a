"""Checkpoint archives that lie on the node before a pod wants them. Nothing starts them.

`python -m lab.api.staging CLUSTER IMAGE...`, inside the node's namespaces: as `crictl pull` does
for a real runtime, whose restore then finds the layers of the image.
"""

import argparse
import hashlib
from pathlib import Path

from lab.api.registry import Registry
from lab.description import ALL_CLUSTERS, LabDescription

_FOLDER = Path("/var/lib/containers/staged")


def staged(image: str) -> Path:
    """Where the archive of an image lies, if it is staged. Images are named by digest."""
    return _FOLDER / f"{hashlib.sha256(image.encode()).hexdigest()}.tar"


def stage(image: str, *, registry: Registry) -> str | None:
    """Fetch a checkpoint image's archive; returns the base image that it needs besides."""
    checkpoint = registry.checkpoint_image(image)
    if checkpoint is None:
        return image
    if not staged(image).exists():
        registry.archive(checkpoint, into=staged(image))
    return registry.base_image(checkpoint)


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.api.staging", description=__doc__)
    parser.add_argument("cluster", choices=ALL_CLUSTERS)
    parser.add_argument("images", nargs="+")
    registry = Registry.of(LabDescription.load())
    for image in parser.parse_args().images:
        if base := stage(image, registry=registry):
            print(base)


if __name__ == "__main__":
    main()
