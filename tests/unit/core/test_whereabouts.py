"""Where a package is, by what the repositories want."""

import pytest

from airflow_transition.core.whereabouts import (
    NowhereError,
    SeveralPlacesError,
    Whereabouts,
    WhereaboutsUnknownError,
)

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: video
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: video
spec:
  {replicas}
  template:
    metadata: {{labels: {{app: video}}}}
    spec: {{containers: [{{name: app, image: x}}]}}
"""


def files(replicas: int | None) -> dict[str, str]:
    written = "paused: false" if replicas is None else f"replicas: {replicas}"
    return {"video/app.yaml": MANIFEST.format(replicas=written)}


def where(**found: dict[str, str] | None) -> Whereabouts:
    return Whereabouts.read("video", files=found)


@pytest.mark.parametrize("replicas", [None, 1, 3])
def test_it_is_where_a_repository_wants_a_replica(replicas: int | None) -> None:
    assert where(a=files(0), b=files(replicas), c={}).place() == "b"


def test_what_does_not_answer_counts_only_where_nothing_else_is_known() -> None:
    assert where(a=None, b=files(1)).place() == "b"
    with pytest.raises(WhereaboutsUnknownError, match="no answer: a"):
        where(a=None, b=files(0)).place()


def test_a_package_that_nobody_wants_was_stopped() -> None:
    with pytest.raises(NowhereError, match="a: 0 replicas"):
        where(a=files(0), b={}).place()


def test_a_package_that_two_want_is_named_with_both() -> None:
    with pytest.raises(SeveralPlacesError, match="a, b"):
        where(a=files(1), b=files(2)).place()
