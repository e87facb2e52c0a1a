"""What of a package does not move is named with its place, and so is a node that is not there."""

import pytest

from airflow_transition.core.manifests import find_workload
from airflow_transition.core.manner import Manner
from airflow_transition.core.unmovable import node_needs, stays_behind

WORKLOAD = """\
kind: StatefulSet
metadata:
  name: db
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: db
spec:
  template:
    metadata: {labels: {app: db}}
    spec:
      POD
      containers:
        - name: app
          image: db:1
          PORTS
  TEMPLATES
"""
VOLUME_ON_HOST = """\
kind: PersistentVolume
metadata: {name: v}
spec: {hostPath: {path: /d}}
"""


def files(
    pod: str = "", *, ports: str = "", templates: str = "", other: str = ""
) -> dict[str, str]:
    text = WORKLOAD.replace("POD", pod).replace("PORTS", ports).replace("TEMPLATES", templates)
    return {"db/app.yaml": text, "db/other.yaml": other}


def lines(manner: Manner, **parts: str) -> list[str]:
    found = files(**parts)
    return list(stays_behind(found, workload=find_workload(found, package="db"), manner=manner))


def test_a_plain_workload_leaves_nothing_behind() -> None:
    assert lines(Manner.ANEW) == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"pod": "volumes: [{name: d, hostPath: {path: /srv}}]"},
            "volume d: hostPath /srv is a folder of its node (db/app.yaml:11)",
        ),
        ({"pod": "hostNetwork: true"}, "hostNetwork: its addresses are those of its node"),
        ({"ports": "ports: [{hostPort: 80}]"}, "hostPort 80 of its node (db/app.yaml:15)"),
        (
            {"other": "kind: PersistentVolume\nmetadata: {name: v}\nspec: {local: {path: /d}}\n"},
            "PersistentVolume v: local /d is on a node (db/other.yaml:1)",
        ),
        (
            {"other": VOLUME_ON_HOST},
            "PersistentVolume v: hostPath /d is on a node",
        ),
        (
            {"other": "kind: Service\nmetadata: {name: s}\nspec: {type: LoadBalancer}\n"},
            "Service s: the target's load balancer gives it another address;",
        ),
        (
            {
                "other": "kind: Service\nmetadata: {name: s}\n"
                "spec: {type: LoadBalancer, loadBalancerIP: 1.2.3.4}\n"
            },
            "gives it another address than 1.2.3.4;",
        ),
        (
            {"other": "kind: Service\nmetadata: {name: s}\nspec: {clusterIP: 10.96.0.9}\n"},
            "Service s: clusterIP 10.96.0.9 is of its cluster",
        ),
        (
            {"other": "kind: Service\nmetadata: {name: s}\nspec: {externalIPs: [1.2.3.4]}\n"},
            "Service s: externalIP 1.2.3.4",
        ),
        (
            {"other": "kind: Service\nmetadata: {name: s}\nspec: {ports: [{nodePort: 30080}]}\n"},
            "Service s: nodePort 30080 may be taken there",
        ),
    ],
)
@pytest.mark.parametrize("manner", list(Manner))
def test_what_belongs_to_a_node_or_a_cluster_is_named(
    manner: Manner, parts: dict[str, str], said: str
) -> None:
    (line,) = lines(manner, **parts)
    assert said in line


def test_a_headless_service_has_no_address_to_lose() -> None:
    headless = "kind: Service\nmetadata: {name: s}\nspec: {clusterIP: None}\n"
    assert lines(Manner.ANEW, other=headless) == []


CLAIMS = {
    "pod": "volumes: [{name: d, persistentVolumeClaim: {claimName: shared}}]",
    "templates": "volumeClaimTemplates: [{metadata: {name: data}}]",
    "other": "kind: PersistentVolumeClaim\nmetadata: {name: shared}\n",
}


@pytest.mark.parametrize("manner", [Manner.LIVE, Manner.ANEW])
def test_the_data_of_claims_is_named_where_nothing_moves_it(manner: Manner) -> None:
    assert [line.partition(" (")[0] for line in lines(manner, **CLAIMS)] == [
        "volume d: the data of PersistentVolumeClaim shared",
        "the data of volumeClaimTemplate data",
        "the data of PersistentVolumeClaim shared",
    ]


def test_velero_moves_the_data_of_claims() -> None:
    assert lines(Manner.VOLUMES, **CLAIMS) == []


def test_the_files_of_an_empty_dir_are_missed_by_a_live_package_alone() -> None:
    scratch = "volumes: [{name: tmp, emptyDir: {}}]"
    (line,) = lines(Manner.LIVE, pod=scratch)
    assert "whose files are in no checkpoint" in line
    assert lines(Manner.ANEW, pod=scratch) == []


class TestNodes:
    def unmet(self, pod: str, *nodes: dict[str, str]) -> str | None:
        found = files(pod)
        needs = node_needs(found, workload=find_workload(found, package="db"))
        assert needs is not None
        return needs.unmet(nodes)

    def test_a_workload_that_asks_for_none_runs_anywhere(self) -> None:
        found = files()
        assert node_needs(found, workload=find_workload(found, package="db")) is None

    def test_one_node_has_to_have_all_labels(self) -> None:
        wanted = "nodeSelector: {disk: nvme, zone: a}"
        assert self.unmet(wanted, {"disk": "nvme", "zone": "a", "more": "x"}) is None
        said = self.unmet(wanted, {"disk": "nvme"}, {"zone": "a"})
        assert said == "nodeSelector disk=nvme, zone=a (db/app.yaml:1)"

    def test_a_named_node_has_to_be_there(self) -> None:
        assert self.unmet("nodeName: n1", {"kubernetes.io/hostname": "n1"}) is None
        assert self.unmet("nodeName: n1", {"kubernetes.io/hostname": "n2"}) is not None
