"""What a promotion cannot bring along is named, and what it can is not."""

import pytest

from airflow_transition.core.stays_behind import stays_behind

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: video}
spec:
  template:
    spec:
"""


def pod(*lines: str) -> str:
    return DEPLOYMENT + "".join(f"      {line}\n" for line in lines)


def missing(kind: str, name: str) -> str:
    found = f"Deployment video: {kind} {name} is not among the manifests"
    return f"{found}; the target has to have it"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            pod("volumes: [{name: a, hostPath: {path: /srv/data}}]"),
            "Deployment video: hostPath /srv/data stays on the node",
        ),
        (
            "kind: PersistentVolume\nmetadata: {name: disk}\nspec: {local: {path: /mnt}}",
            "PersistentVolume disk: local /mnt is on one node of the source",
        ),
        (
            "kind: PersistentVolume\nmetadata: {name: disk}\nspec: {hostPath: {path: /mnt}}",
            "PersistentVolume disk: hostPath /mnt is on one node of the source",
        ),
        (
            "kind: PersistentVolumeClaim\nmetadata: {name: data}",
            "PersistentVolumeClaim data: the claim goes along, the data on its volume does not",
        ),
        (
            (
                "kind: StatefulSet\nmetadata: {name: db}\n"
                "spec: {volumeClaimTemplates: [{metadata: {name: data}}]}"
            ),
            "StatefulSet db: the claim data goes along, the data on its volumes does not",
        ),
        (
            (
                "kind: Service\nmetadata: {name: web}\n"
                "spec: {type: LoadBalancer, loadBalancerIP: 192.0.2.7}"
            ),
            "Service web: loadBalancerIP 192.0.2.7 stays with the source's network",
        ),
        (
            "kind: Service\nmetadata: {name: web}\nspec: {type: LoadBalancer}",
            "Service web: its load balancer gets another address on the target",
        ),
        (
            "kind: Service\nmetadata: {name: web}\nspec: {externalIPs: [192.0.2.7]}",
            "Service web: externalIP 192.0.2.7 stays with the source's network",
        ),
        (
            "kind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.96.0.9}",
            "Service web: clusterIP 10.96.0.9 may be outside of the target's Service range",
        ),
        (pod("nodeName: node-7"), "Deployment video: nodeName node-7 is a node of the source"),
        (
            pod("nodeSelector: {kubernetes.io/hostname: node-7}"),
            "Deployment video: nodeSelector kubernetes.io/hostname=node-7 is a node of the source",
        ),
        (
            pod("containers: [{name: app, envFrom: [{secretRef: {name: keys}}]}]"),
            missing("Secret", "keys"),
        ),
        (
            pod(
                "initContainers:",
                "  - env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: a}}}]",
            ),
            missing("ConfigMap", "conf"),
        ),
        (
            pod("volumes: [{name: a, projected: {sources: [{secret: {name: keys}}]}}]"),
            missing("Secret", "keys"),
        ),
        (
            pod("volumes: [{name: a, persistentVolumeClaim: {claimName: data}}]"),
            missing("PersistentVolumeClaim", "data"),
        ),
        (
            pod("imagePullSecrets: [{name: registry}]"),
            missing("Secret", "registry"),
        ),
        (
            pod("serviceAccountName: robot"),
            missing("ServiceAccount", "robot"),
        ),
    ],
)
def test_what_the_target_has_to_have_by_itself_is_named(text: str, line: str) -> None:
    assert stays_behind({"video/app.yaml": text}) == (line,)


def test_what_is_among_the_manifests_goes_along() -> None:
    files = {
        "video/app.yaml": pod(
            "serviceAccountName: robot",
            "containers: [{name: app, envFrom: [{secretRef: {name: keys}}]}]",
            "volumes: [{name: a, configMap: {name: conf}}]",
        ),
        "video/list.yaml": "kind: List\nitems:\n"
        "  - {kind: Secret, metadata: {name: keys}}\n"
        "  - {kind: ConfigMap, metadata: {name: conf}}\n",
        "video/robot.yaml": "kind: ServiceAccount\nmetadata: {name: robot}\n",
        "video/service.yaml": "kind: Service\nmetadata: {name: web}\nspec: {clusterIP: None}\n",
    }
    assert stays_behind(files) == ()


def test_what_is_optional_or_everywhere_is_not_named() -> None:
    text = pod(
        "serviceAccountName: default",
        "containers: [{envFrom: [{secretRef: {name: keys, optional: true}}]}]",
        "volumes: [{name: a, secret: {secretName: keys, optional: true}}, {emptyDir: {}}]",
    )
    assert stays_behind({"video/app.yaml": text}) == ()


def test_a_kustomization_that_reads_outside_of_the_folder_is_named() -> None:
    files = {"video/kustomization.yaml": "resources: [app.yaml, ../base, https://git.example/x]\n"}
    outside = "lies outside of the package's folder and is not copied"
    assert stays_behind(files) == (
        f"video/kustomization.yaml: ../base {outside}",
        f"video/kustomization.yaml: https://git.example/x {outside}",
    )


@pytest.mark.parametrize(
    "text", ["{{ .Values.x }}: [", "[]", "- 1", "kind: 1", "spec: [x]", "kind: Pod\nspec: text"]
)
def test_what_is_no_manifest_is_left_to_others_to_refuse(text: str) -> None:
    assert stays_behind({"video/app.yaml": text}) == ()
