"""Images that wait on a node for their restore: the pods that have a node fetch them, pure.

A pod whose container's image is a checkpoint image runs a clone of the process. So the images are
volumes of a pod that sleeps: the kubelet pulls them as it pulls any image, into the same store, and
mounts their files; no runtime is ever asked to make a container of them. As long as the pod is
there the images are in use, and the kubelet's garbage collection leaves them.

Image volumes are on by default from Kubernetes 1.35 on; containerd mounts them from 2.1 on.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from airflow_transition.core.isolation import SMALL, UNPRIVILEGED

Json = dict[str, Any]

STAGING_NAMESPACE = "transition-staging"
"""Comes with the component that grants pods in it."""
STAGED_LABEL = "transition.dcnlab.ssu.ac.kr/staged"
POLICY_LABEL = "transition.dcnlab.ssu.ac.kr/staged-for"

_NAME_LENGTH = 40
_FOR_EVER = "2147483647"


def staging_pod(
    *, policy: str, package: str, node: str, images: Mapping[str, str], sleeper: str
) -> Json:
    """For one node; the same node and images give the same pod.

    :param images: container to checkpoint image, by digest.
    :param sleeper: a small image that has `sleep`.
    """
    named = {f"image-{place}": images[name] for place, name in enumerate(sorted(images))}
    mounts = [
        {"name": name, "mountPath": f"/staged/{name}", "readOnly": True} for name in sorted(named)
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(package, node=node, images=images),
            "labels": {STAGED_LABEL: package, POLICY_LABEL: label_of(policy)},
        },
        "spec": {
            "nodeName": node,
            "containers": [
                {
                    "name": "staged",
                    "image": sleeper,
                    "command": ["sleep", _FOR_EVER],
                    "resources": SMALL,
                    "securityContext": UNPRIVILEGED,
                    "volumeMounts": mounts,
                }
            ],
            "volumes": [
                {"name": name, "image": {"reference": image, "pullPolicy": "IfNotPresent"}}
                for name, image in named.items()
            ],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
        },
    }


def pod_name(package: str, *, node: str, images: Mapping[str, str]) -> str:
    said = "\n".join([node, *(f"{name} {images[name]}" for name in sorted(images))])
    return f"{package[:_NAME_LENGTH]}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def label_of(policy: str) -> str:
    """A policy's name can be longer than a label may be."""
    return hashlib.sha256(policy.encode()).hexdigest()[:16]
