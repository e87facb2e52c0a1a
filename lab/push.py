"""Push an image that is in memory to the lab's registry (OCI distribution specification)."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin

import requests

from lab.base_image import CONFIG_TYPE, MANIFEST_TYPE, Blob, Image, document
from lab.description import LabDescription
from lab.packages import architecture

_SECONDS = 60
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


def push(image: Image, *, repository: str, tag: str, lab: LabDescription) -> str:
    """Push blobs that are not there yet, then the manifest; returns the reference by digest."""
    base = f"{lab.registry.url}/v2/{repository}"
    with requests.Session() as session:
        session.auth = (lab.registry.username, lab.registry.password)
        session.verify = str(lab.ca_file)
        session.trust_env = False
        for blob in image.blobs:
            known = session.head(f"{base}/blobs/{blob.digest}", timeout=_SECONDS)
            if known.status_code == requests.codes.not_found:
                opened = session.post(f"{base}/blobs/uploads/", timeout=_SECONDS)
                opened.raise_for_status()
                session.put(
                    urljoin(base, opened.headers["Location"]),
                    params={"digest": blob.digest},
                    data=blob.content,
                    timeout=_SECONDS,
                ).raise_for_status()
            else:
                known.raise_for_status()
        session.put(
            f"{base}/manifests/{tag}",
            headers={"Content-Type": image.manifest.media_type},
            data=image.manifest.content,
            timeout=_SECONDS,
        ).raise_for_status()
    return f"{lab.registry.address}/{repository}@{image.manifest.digest}"


def push_checkpoint(
    archive: Path, *, lab: LabDescription, annotations: Mapping[str, str] | None = None
) -> str:
    """The archive as the one layer of an image; its reference by digest."""
    layer = Blob(_LAYER_TYPE, archive.read_bytes())
    config = document(
        CONFIG_TYPE,
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        },
    )
    manifest = document(
        MANIFEST_TYPE,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.descriptor,
            "layers": [layer.descriptor],
            "annotations": annotations or {"org.criu.checkpoint.container.name": "app"},
        },
    )
    image = Image(manifest=manifest, blobs=(layer, config))
    return push(image, repository="checkpoints/test", tag=secrets.token_hex(4), lab=lab)
