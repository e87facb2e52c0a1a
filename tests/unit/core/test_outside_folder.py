"""What manifests name and the folder does not have is named, and what it has is not."""

import pytest

from airflow_transition.core.outside_folder import not_in_folder

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
    assert not_in_folder({"video/app.yaml": text}) == (line,)


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
    assert not_in_folder(files) == ()


def test_what_is_optional_or_everywhere_is_not_named() -> None:
    text = pod(
        "serviceAccountName: default",
        "containers: [{envFrom: [{secretRef: {name: keys, optional: true}}]}]",
        "volumes: [{name: a, secret: {secretName: keys, optional: true}}, {emptyDir: {}}]",
    )
    assert not_in_folder({"video/app.yaml": text}) == ()


def test_a_kustomization_that_reads_outside_of_the_folder_is_named() -> None:
    files = {"video/kustomization.yaml": "resources: [app.yaml, ../base, https://git.example/x]\n"}
    outside = "lies outside of the package's folder and is not copied"
    assert not_in_folder(files) == (
        f"video/kustomization.yaml: ../base {outside}",
        f"video/kustomization.yaml: https://git.example/x {outside}",
    )


@pytest.mark.parametrize(
    "text", ["{{ .Values.x }}: [", "[]", "- 1", "kind: 1", "spec: [x]", "kind: Pod\nspec: text"]
)
def test_what_is_no_manifest_is_left_to_others_to_refuse(text: str) -> None:
    assert not_in_folder({"video/app.yaml": text}) == ()


def test_claims_that_velero_brings_need_not_be_there() -> None:
    text = pod("volumes: [{name: a, persistentVolumeClaim: {claimName: data}}]")
    assert not_in_folder({"video/app.yaml": text}, claims_come=True) == ()
