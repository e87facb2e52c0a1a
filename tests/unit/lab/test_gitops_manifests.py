from pathlib import Path

import pytest

from lab.gitops_manifests import ManifestError, read_manifests

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: video, namespace: shop}
spec:
  template:
    spec:
      containers:
        - {name: app, image: "lab:5000/video:1"}
        - {name: side, image: "lab:5000/side:1"}
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: video, namespace: shop}\n"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path = path.with_name(path.name + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def paths(root: Path) -> list[str]:
    return [manifest.path for manifest in read_manifests(root)]


def test_every_document_of_every_package_is_read_and_namespaces_come_first(tmp_path: Path) -> None:
    write(tmp_path, video__deploy__all=f"{DEPLOYMENT}---\n{SERVICE}---\n", other__ns=NAMESPACE)
    assert paths(tmp_path) == [
        "/api/v1/namespaces/shop",
        "/api/v1/namespaces/shop/services/video",
        "/apis/apps/v1/namespaces/shop/deployments/video",
    ]


def test_files_that_are_no_package_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, readme=NAMESPACE)
    write(tmp_path, **{".git__x": NAMESPACE})
    (tmp_path / "video").mkdir()
    (tmp_path / "video/README.md").write_text("text")
    assert paths(tmp_path) == []


def test_a_kustomization_names_the_files_and_the_images(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    write(
        tmp_path,
        video__deployment=DEPLOYMENT,
        video__unused=SERVICE,
        video__kustomization=(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            "resources: [deployment.yaml]\n"
            "images:\n"
            f"  - {{name: 'lab:5000/video', newName: 'lab:5000/restored', digest: '{digest}'}}\n"
            "  - {name: 'lab:5000/side', newTag: '2'}\n"
        ),
    )
    (manifest,) = read_manifests(tmp_path)
    containers = manifest.body["spec"]["template"]["spec"]["containers"]
    assert [container["image"] for container in containers] == [
        f"lab:5000/restored@{digest}",
        "lab:5000/side:2",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kind: CronJob\napiVersion: batch/v1\nmetadata: {name: a}\n",
            "kind that the lab does not",
        ),
        ("kind: Service\napiVersion: v1\n", "metadata"),
        ("just text\n", "no Kubernetes object"),
        ("a: [\n", "bad.yaml"),
        (f"{SERVICE}---\n{SERVICE}", "more than one manifest"),
    ],
)
def test_what_cannot_be_applied_is_an_error_and_never_skipped(
    text: str, message: str, tmp_path: Path
) -> None:
    write(tmp_path, video__bad=text)
    with pytest.raises(ManifestError, match=message):
        read_manifests(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    (tmp_path / "video/secret.yaml").symlink_to("/etc/passwd")
    with pytest.raises(ManifestError, match="link"):
        read_manifests(tmp_path)


@pytest.mark.parametrize("field", ["resources: ['../other.yaml']", "patches: []"])
def test_a_kustomization_may_not_do_more(field: str, tmp_path: Path) -> None:
    write(tmp_path, other=SERVICE, video__kustomization=f"kind: Kustomization\n{field}\n")
    with pytest.raises(ManifestError, match=r"kustomization\.yaml"):
        read_manifests(tmp_path)
