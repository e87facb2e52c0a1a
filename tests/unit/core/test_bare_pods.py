"""A bare pod ends by leaving its manifest; every other byte of its package stays."""

import pytest

from airflow_transition.core.bare_pods import PodNotRemovableError
from airflow_transition.core.manifests import WorkloadNotFoundError
from airflow_transition.core.package_edits import is_retired, is_wanted, promoted, retired
from airflow_transition.core.whereabouts import Whereabouts

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: video
  labels: {app: video}
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: video
spec:
  containers:
    - name: app
      image: registry.example/video:1
"""
SERVICE = """\
apiVersion: v1
kind: Service # stays
metadata: {name: video}
"""
IMAGE = "registry.example/checkpoints@sha256:" + 64 * "a"


def test_a_file_of_its_own_goes() -> None:
    files = {"video/pod.yaml": POD, "video/service.yaml": SERVICE}
    assert retired(files, package="video") == {"video/service.yaml": SERVICE}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{POD}---\n{SERVICE}", f"---\n{SERVICE}"),
        (f"{SERVICE}---\n{POD}", SERVICE),
        (f"---\n{SERVICE}---\n# the pod\n{POD}---\n{SERVICE}", f"---\n{SERVICE}---\n{SERVICE}"),
    ],
)
def test_among_others_its_document_goes_alone(text: str, left: str) -> None:
    assert retired({"all.yaml": text}, package="video") == {"all.yaml": left}


def test_retiring_twice_changes_nothing_more() -> None:
    once = retired({"all.yaml": f"{POD}---\n{SERVICE}"}, package="video")
    assert retired(once, package="video") == once
    assert is_retired(once, package="video")
    assert not is_wanted(once, package="video")


def test_it_is_promoted_by_its_image() -> None:
    files = promoted({"pod.yaml": POD}, package="video", images={"app": IMAGE})
    assert files == {"pod.yaml": POD.replace("registry.example/video:1", IMAGE)}
    assert is_wanted(files, package="video")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (
            {"pod.yaml": POD, "kustomization.yaml": "resources: [pod.yaml]\n"},
            "kustomization.yaml lists its file",
        ),
        (
            {"list.yaml": "kind: List\nitems:\n" + "  - " + POD.replace("\n", "\n    ").rstrip()},
            "item of a List",
        ),
    ],
)
def test_what_cannot_be_taken_out_is_refused_with_the_reason(
    files: dict[str, str], why: str
) -> None:
    with pytest.raises(PodNotRemovableError, match=why):
        retired(files, package="video")


def test_a_cluster_that_the_pod_has_left_does_not_want_it() -> None:
    where = Whereabouts.read("video", files={"one": {"s.yaml": SERVICE}, "two": {"p.yaml": POD}})
    assert where.place() == "two"


def test_manifests_that_name_the_package_nowhere_are_still_an_error() -> None:
    with pytest.raises(WorkloadNotFoundError):
        Whereabouts.read("video", files={"one": {"s.yaml": SERVICE}, "two": {}})
