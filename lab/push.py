"""Push an image that is in memory to the lab's registry (OCI distribution specification)."""

from urllib.parse import urljoin

import requests

from lab.base_image import Image
from lab.description import LabDescription

_SECONDS = 60


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
