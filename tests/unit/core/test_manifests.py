import difflib

import pytest

from airflow_transition.core.kustomize import OverriddenError
from airflow_transition.core.manifests import (
    AmbiguousWorkloadError,
    WorkloadNotFoundError,
    find_workload,
    promote,
    replace_images,
    scale,
    scale_package,
)
from airflow_transition.core.resources import HelmTemplateError
from airflow_transition.core.splices import NotSpliceableError
from airflow_transition.core.workload_changes import (
    ContainerMismatchError,
    ImageReferenceError,
    ManyCopiesError,
    NotScalableError,
)
from airflow_transition.core.yaml_nodes import NotYamlError

NEW = "registry.example:5000/checkpoints@sha256:" + "a" * 64
OTHER = "registry.example:5000/checkpoints@sha256:" + "b" * 64

DEPLOYMENT = """\
# the video application
apiVersion: apps/v1
kind: Deployment
metadata:
    name: video   # odd indentation, and a comment
    namespace: shop
    annotations:
      transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
      transition.dcnlab.ssu.ac.kr/packageName: video
spec:
    replicas: 1
    template:
        metadata:
            labels: {app: video}
        spec:
            initContainers:
            - name: setup
              image: registry.example/setup:1
            containers:
            - name: app
              image:   registry.example/video:1   # the player
            - name: sidecar
              image: "registry.example/sidecar:1"
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: video}
spec: {selector: {app: video}}
"""


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


def images_replaced(text: str, **images: str) -> str:
    workload = find_workload({"video.yaml": text}, package="video")
    return replace_images(text, workload=workload, images=images or {"app": NEW})


def scaled(text: str, replicas: int = 0) -> str:
    workload = find_workload({"video.yaml": text}, package="video")
    return scale(text, workload=workload, replicas=replicas)


def test_the_workload_is_found_by_its_two_annotations() -> None:
    files = {"a.yaml": SERVICE, "b.yaml": f"{SERVICE}---\n{DEPLOYMENT}", "README.md": "{{ not YAML"}
    workload = find_workload(files, package="video")
    assert (workload.path, workload.document, workload.items) == ("b.yaml", 1, ())
    assert (workload.kind, workload.name, workload.namespace) == ("Deployment", "video", "shop")
    assert workload.containers == ("app", "sidecar")
    assert workload.replicas == 1
    assert workload.labels == {"app": "video"}


def test_a_package_without_annotations_is_told_which_to_write() -> None:
    with pytest.raises(WorkloadNotFoundError, match="packageName: player"):
        find_workload({"video.yaml": DEPLOYMENT}, package="player")
    with pytest.raises(WorkloadNotFoundError):
        find_workload({"video.yaml": DEPLOYMENT.replace('"true"', '"false"')}, package="video")


def test_two_workloads_of_one_package_are_named() -> None:
    with pytest.raises(AmbiguousWorkloadError, match=r"a.yaml:2, b.yaml:2"):
        find_workload({"a.yaml": DEPLOYMENT, "b.yaml": DEPLOYMENT}, package="video")


def test_all_containers_of_the_pod_change_and_init_containers_do_not() -> None:
    after = images_replaced(DEPLOYMENT, app=NEW, sidecar=OTHER)
    assert changed_lines(DEPLOYMENT, after) == [
        "-               image:   registry.example/video:1   # the player\n",
        f"+               image:   {NEW}   # the player\n",
        '-               image: "registry.example/sidecar:1"\n',
        f'+               image: "{OTHER}"\n',
    ]


def test_other_documents_of_the_file_stay() -> None:
    text = f"---\n{SERVICE}...\n---\n{DEPLOYMENT}---\n# end\n"
    assert len(changed_lines(text, images_replaced(text))) == 2


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("'registry.example/video:1'", f"'{NEW}'"),
        ('"registry.example/video:1"', f'"{NEW}"'),
        ("!!str registry.example/video:1", f"!!str {NEW}"),
        ("&image registry.example/video:1", f"&image {NEW}"),
        ("&image !!str 'x'", f"&image !!str '{NEW}'"),
        ("registry.example/video:1", NEW),
        ("\n                registry.example/video:1", f"\n                {NEW}"),
        (">-\n                registry.example/video:1", f">-\n                {NEW}"),
        ("|-  # block\n                x\n\n", f"|-  # block\n                {NEW}\n\n"),
        ('"a\\\n                 b"', f'"{NEW}"'),
    ],
)
def test_an_image_keeps_the_way_it_is_written(written: str, expected: str) -> None:
    before = DEPLOYMENT.replace("  registry.example/video:1   # the player", written)
    after = DEPLOYMENT.replace("  registry.example/video:1   # the player", expected)
    assert images_replaced(before) == after


def test_flow_style_and_json_are_changed_in_place() -> None:
    text = (
        '{"kind": "Pod", "metadata": {"name": "video", "annotations": {'
        '"transition.dcnlab.ssu.ac.kr/cluster-policy": "true", '
        '"transition.dcnlab.ssu.ac.kr/packageName": "video"}}, '
        '"spec": {"containers": [{"image": "x", "name": "app"}]}}'
    )
    assert images_replaced(text) == text.replace('"x"', f'"{NEW}"')
    plain = text.replace('"x"', "x")
    assert images_replaced(plain) == plain.replace('image": x', f'image": {NEW}')


def test_json_indented_by_tabs_is_read_and_other_json_is_left_alone() -> None:
    text = (
        '{\n\t"kind": "Pod",\n\t"metadata": {"name": "video", "annotations": {\n'
        '\t\t"transition.dcnlab.ssu.ac.kr/cluster-policy": "true",\n'
        '\t\t"transition.dcnlab.ssu.ac.kr/packageName": "video"}},\n'
        '\t"spec": {"containers": [\n\t\t{"name": "app", "image": "a:1"}\n\t]}\n}\n'
    )
    files = {"pod.json": text, "tsconfig.json": "{ // no JSON at all\n"}
    after = promote(files, package="video", images={"app": NEW})
    assert after == files | {"pod.json": text.replace("a:1", NEW)}


def test_windows_line_ends_and_a_byte_order_mark_stay() -> None:
    text = "\ufeff" + DEPLOYMENT.replace("\n", "\r\n")
    after = images_replaced(text)
    assert after == text.replace("registry.example/video:1", NEW)


@pytest.mark.parametrize("ends", ["", "\n\n\n", "\n# end", "\n...\n"])
def test_the_end_of_the_file_stays(ends: str) -> None:
    text = DEPLOYMENT.rstrip("\n") + ends
    assert images_replaced(text) == text.replace("registry.example/video:1", NEW)


def test_workloads_in_lists_are_found_and_changed() -> None:
    indented = "".join(f"    {line}\n" for line in DEPLOYMENT.splitlines())
    text = f"apiVersion: v1\nkind: List\nitems:\n  - kind: Service\n  -\n{indented}"
    workload = find_workload({"all.yaml": text}, package="video")
    assert (workload.document, workload.items) == (0, (1,))
    after = replace_images(text, workload=workload, images={"app": NEW})
    assert after == text.replace("registry.example/video:1", NEW)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Pod", ""),
        ("StatefulSet", "template"),
        ("DaemonSet", "template"),
        ("Job", "template"),
        ("CronJob", "jobTemplate.spec.template"),
        ("Rollout", "template"),
    ],
)
def test_the_pod_is_found_in_every_kind(kind: str, path: str) -> None:
    spec = '{containers: [{name: app, image: "x"}]}'
    for key in reversed(path.split(".") if path else []):
        spec = f"{{spec: {spec}}}" if key == "template" else spec
        spec = f"{{{key}: {spec}}}"
    text = (
        f"kind: {kind}\nmetadata:\n  name: video\n  annotations:\n"
        "    transition.dcnlab.ssu.ac.kr/cluster-policy: 'true'\n"
        f"    transition.dcnlab.ssu.ac.kr/packageName: video\nspec: {spec}\n"
    )
    assert images_replaced(text) == text.replace('"x"', f'"{NEW}"')


def test_an_alias_is_replaced_where_it_stands() -> None:
    text = DEPLOYMENT.replace("image: registry.example/setup:1", "image: &image base:1")
    text = text.replace("  registry.example/video:1   # the player", "*image")
    assert images_replaced(text) == text.replace("*image", NEW)


def test_an_anchor_that_others_use_is_refused() -> None:
    text = DEPLOYMENT.replace("  registry.example/video:1 ", "&image registry.example/video:1")
    text = text.replace('"registry.example/sidecar:1"', "*image")
    with pytest.raises(NotSpliceableError, match="&image, which is used elsewhere"):
        images_replaced(text)
    after = images_replaced(text, app=NEW, sidecar=OTHER)
    assert f"&image {NEW}" in after
    assert f"image: {OTHER}" in after


def test_a_container_that_stands_elsewhere_is_refused() -> None:
    containers = DEPLOYMENT[DEPLOYMENT.index("            containers:") :]
    shared = DEPLOYMENT.replace("initContainers:", "initContainers: &both").replace(
        containers, "            containers: *both\n"
    )
    with pytest.raises(NotSpliceableError, match="behind an alias"):
        images_replaced(shared, setup=NEW)
    anchored = DEPLOYMENT.replace(
        "containers:\n            - name: app", "containers: &c\n            - name: app"
    )
    anchored += "---\nkind: ConfigMap\nx: &y 1\nz: *y\n"
    assert NEW in images_replaced(anchored)
    used = DEPLOYMENT.replace("    template:", "    template: &t").replace(
        "kind: Deployment", "kind: Deployment\n", 1
    )
    used += "more: *t\n"
    with pytest.raises(NotSpliceableError, match="inside the anchor &t"):
        images_replaced(used)


def test_an_image_that_a_merge_key_brings_is_refused() -> None:
    text = DEPLOYMENT.replace(
        "image:   registry.example/video:1   # the player", "<<: {image: registry.example/video:1}"
    )
    with pytest.raises(NotSpliceableError, match="merge key"):
        images_replaced(text)


def test_a_container_without_an_image_is_refused() -> None:
    text = DEPLOYMENT.replace(
        "              image:   registry.example/video:1   # the player\n", ""
    )
    with pytest.raises(ContainerMismatchError, match="container app has no image"):
        images_replaced(text)


def test_a_container_that_the_manifest_does_not_have_is_refused() -> None:
    with pytest.raises(ContainerMismatchError, match="no container istio-proxy"):
        images_replaced(DEPLOYMENT, **{"istio-proxy": NEW})


@pytest.mark.parametrize("reference", ["", "a b", "a\nb: c", 'a"b', "{{ .Values.image }}", "é"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    with pytest.raises(ImageReferenceError):
        images_replaced(DEPLOYMENT, app=reference)


def test_helm_is_refused_by_name() -> None:
    template = DEPLOYMENT.replace("registry.example/video:1", "{{ .Values.image }}")
    quoted = DEPLOYMENT.replace('"registry.example/sidecar:1"', '"{{ .Values.image }}"')
    with pytest.raises(NotSpliceableError, match="template"):
        images_replaced(template)
    with pytest.raises(NotSpliceableError, match="template"):
        images_replaced(quoted, sidecar=NEW)
    with pytest.raises(HelmTemplateError, match=r"video.yaml:1"):
        images_replaced("{{- if .Values.on }}\n" + DEPLOYMENT + "{{- end }}\n")
    with pytest.raises(HelmTemplateError, match=r"Chart.yaml"):
        find_workload({"Chart.yaml": "name: video", "video.yaml": DEPLOYMENT}, package="video")


def test_what_is_no_yaml_is_told_with_its_line() -> None:
    with pytest.raises(NotYamlError, match=r"video.yaml:3"):
        find_workload({"video.yaml": "a: 1\nb: [\n"}, package="video")
    with pytest.raises(NotYamlError, match='"image" stands twice'):
        images_replaced(DEPLOYMENT + '              image: "again"\n')


def test_a_workload_that_moved_is_not_changed_at_its_old_place() -> None:
    workload = find_workload({"video.yaml": DEPLOYMENT}, package="video")
    with pytest.raises(WorkloadNotFoundError, match="no longer at document 0"):
        replace_images(f"{SERVICE}---\n{DEPLOYMENT}", workload=workload, images={"app": NEW})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("replicas: 1", "replicas: 0"),
        ("replicas:  3 # three", "replicas:  0 # three"),
        ("replicas:", "replicas: 0"),
        ("replicas: null", "replicas: 0"),
        ("'replicas': !!int 3", "'replicas': !!int 0"),
    ],
)
def test_replicas_are_replaced_where_they_are_written(written: str, expected: str) -> None:
    before = DEPLOYMENT.replace("replicas: 1", written)
    assert scaled(before) == DEPLOYMENT.replace("replicas: 1", expected)


def test_replicas_are_inserted_where_they_are_not_written() -> None:
    without = DEPLOYMENT.replace("    replicas: 1\n", "")
    assert scaled(without) == DEPLOYMENT.replace("replicas: 1", "replicas: 0")
    windows = without.replace("\n", "\r\n")
    assert scaled(windows) == DEPLOYMENT.replace("replicas: 1", "replicas: 0").replace("\n", "\r\n")
    flow = without[: without.index("spec:")] + "spec: {template: {}}\n"
    assert scaled(flow) == flow.replace("{template", "{replicas: 0, template")
    comment = without.replace("spec:\n    template", "spec: # the pod\n\n    # here\n    template")
    assert scaled(comment) == comment.replace("    template:", "    replicas: 0\n    template:")


def test_scaling_to_what_is_there_changes_nothing() -> None:
    assert scaled(DEPLOYMENT, 1) == DEPLOYMENT


def test_a_kind_without_replicas_is_refused() -> None:
    with pytest.raises(NotScalableError, match="a DaemonSet has no replicas"):
        scaled(DEPLOYMENT.replace("kind: Deployment", "kind: DaemonSet"))


BOTH = {"app": NEW, "sidecar": OTHER}


def test_a_promotion_gives_the_whole_folder_with_one_copy_of_the_pod() -> None:
    files = {
        "video/app.yaml": DEPLOYMENT.replace("replicas: 1", "replicas: 3"),
        "video/service.yaml": SERVICE,
        "video/README.md": "{{ any text }}\r\n",
    }
    after = promote(files, package="video", images=BOTH)
    assert after.keys() == files.keys()
    assert after["video/service.yaml"] == SERVICE
    assert after["video/README.md"] == files["video/README.md"]
    assert len(changed_lines(files["video/app.yaml"], after["video/app.yaml"])) == 6
    assert "replicas: 1" in after["video/app.yaml"]


def test_a_promotion_made_twice_changes_nothing_more() -> None:
    once = promote({"a.yaml": DEPLOYMENT}, package="video", images=BOTH)
    assert promote(once, package="video", images=BOTH) == once


def test_a_promotion_needs_an_image_by_digest_for_every_container() -> None:
    with pytest.raises(ContainerMismatchError, match="no checkpoint image for container sidecar"):
        promote({"a.yaml": DEPLOYMENT}, package="video", images={"app": NEW})
    with pytest.raises(ImageReferenceError, match="container app is not by digest"):
        promote({"a.yaml": DEPLOYMENT}, package="video", images=BOTH | {"app": "reg/video:1"})


@pytest.mark.parametrize("kind", ["DaemonSet", "CronJob", "Job"])
def test_a_workload_that_cannot_be_held_to_one_copy_is_not_promoted(kind: str) -> None:
    text = DEPLOYMENT.replace("kind: Deployment", f"kind: {kind}")
    if kind == "CronJob":
        containers = "{containers: [{name: app, image: a}, {name: sidecar, image: b}]}"
        job = f"    jobTemplate: {{spec: {{template: {{spec: {containers}}}}}}}\n    unused:"
        text = text.replace("    template:", job)
    with pytest.raises(ManyCopiesError, match=f"a {kind} cannot be held to one copy"):
        promote({"a.yaml": text}, package="video", images=BOTH)


def test_an_autoscaler_that_would_make_clones_is_refused() -> None:
    scaler = (
        "kind: HorizontalPodAutoscaler\nmetadata: {name: video}\n"
        "spec: {scaleTargetRef: {kind: Deployment, name: video}, maxReplicas: 3}\n"
    )
    files = {"a.yaml": DEPLOYMENT, "b.yaml": scaler}
    with pytest.raises(ManyCopiesError, match=r"b.yaml:1"):
        promote(files, package="video", images=BOTH)
    files["b.yaml"] = scaler.replace("maxReplicas: 3", "maxReplicas: 1")
    promote(files, package="video", images=BOTH)


def test_a_kustomization_that_names_the_old_image_stays() -> None:
    kustomization = "resources: [a.yaml]\nimages:\n- name: registry.example/video\n  newTag: '2'\n"
    files = {"a.yaml": DEPLOYMENT, "kustomization.yaml": kustomization}
    after = promote(files, package="video", images=BOTH)
    assert after["kustomization.yaml"] == kustomization


SAME = {"app": NEW, "sidecar": NEW}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("newTag: old # x", f"digest: sha256:{'a' * 64} # x"),
        ("digest: sha256:00", f"digest: sha256:{'a' * 64}"),
        ("newName: other/place", "newName: registry.example:5000/checkpoints"),
        (
            "newName: other/place\n  newTag: 'v1'",
            f"newName: registry.example:5000/checkpoints\n  digest: 'sha256:{'a' * 64}'",
        ),
    ],
)
@pytest.mark.parametrize("name", ["registry.example:5000/checkpoints", ".*/checkpoints"])
def test_a_kustomization_that_would_override_our_image_is_changed(
    name: str, entry: str, expected: str
) -> None:
    text = DEPLOYMENT.replace("registry.example/setup:1", "setup")
    kustomization = f"images:\n- name: {name}\n  {entry}\n"
    files = {"a.yaml": text, "kustomization.yaml": kustomization}
    after = promote(files, package="video", images=SAME)
    assert after["kustomization.yaml"] == kustomization.replace(entry, expected)


@pytest.mark.parametrize(
    "kustomization",
    [
        # two digests by one entry; more than a digest; another image of the package
        "images: [{name: 'registry.example:5000/checkpoints', newTag: '1'}]",
        "images: [{name: '.*', newName: a}]",
    ],
)
def test_a_kustomization_that_cannot_name_all_images_is_refused(kustomization: str) -> None:
    files = {"a.yaml": DEPLOYMENT, "kustomization.yaml": kustomization}
    with pytest.raises(OverriddenError, match=r"kustomization.yaml:1"):
        promote(files, package="video", images=BOTH)


def test_a_kustomization_entry_with_tag_and_digest_is_refused() -> None:
    entry = "images: [{name: 'registry.example:5000/checkpoints', newTag: '1', digest: x}]"
    files = {"a.yaml": DEPLOYMENT, "kustomization.yaml": entry}
    with pytest.raises(OverriddenError, match="more than a digest"):
        promote(files, package="video", images=SAME)


def test_a_patch_of_the_workload_is_changed_with_it() -> None:
    patch = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: video}
spec:
  replicas: 2
  template: {spec: {containers: [{name: app, image: "registry.example/video:2"}]}}
"""
    files = {
        "base/a.yaml": DEPLOYMENT,
        "overlay/patch.yaml": patch,
        "overlay/kustomization.yaml": "patches:\n- path: patch.yaml\nreplicas:\n"
        "- {name: video, count: 4}\n- {name: other, count: 4}\n",
    }
    after = promote(files, package="video", images=BOTH)
    assert after["overlay/patch.yaml"] == patch.replace("registry.example/video:2", NEW).replace(
        "replicas: 2", "replicas: 1"
    )
    assert (
        "{name: video, count: 1}\n- {name: other, count: 4}" in after["overlay/kustomization.yaml"]
    )
    retired = scale_package(files, package="video", replicas=0)
    assert "replicas: 0" in retired["base/a.yaml"]
    assert "replicas: 0" in retired["overlay/patch.yaml"]
    assert "{name: video, count: 0}" in retired["overlay/kustomization.yaml"]


JSON_PATCH = "- {op: replace, path: /spec/template/spec/containers/0/image, value: x}\n"
INLINE = (
    "patches:\n- target: {kind: Deployment, name: video}\n  patch: |-\n"
    "    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: x\n"
)


MERGE = """\
patchesStrategicMerge:
- |-
  kind: Deployment
  metadata: {name: video}
  spec: {template: {spec: {containers: [{name: app, image: x}]}}}
"""
MERGE_BY_TARGET = """\
patches:
- target: {kind: Deployment}
  patch: |-
    kind: Deployment
    metadata: {name: any}
    spec: {template: {spec: {containers: [{name: app, image: x}]}}}
"""
REPLACEMENT = "{targets: [{fieldPaths: [spec.template.spec.containers.0.image]}]}"


@pytest.mark.parametrize(
    ("kustomization", "other"),
    [
        (INLINE, ""),
        (INLINE.replace("name: video", "name: v.*"), ""),
        (MERGE_BY_TARGET, ""),
        ("patches: [{path: other.yaml}]", JSON_PATCH),
        ("patchesJson6902: [{path: other.yaml, target: {name: video}}]", JSON_PATCH),
        (MERGE, ""),
        (f"replacements: [{REPLACEMENT}]", ""),
        ("replacements: [{path: other.yaml}]", REPLACEMENT),
    ],
)
def test_an_override_that_cannot_be_changed_is_refused(kustomization: str, other: str) -> None:
    files = {"a.yaml": DEPLOYMENT, "kustomization.yaml": kustomization, "other.yaml": other}
    with pytest.raises(OverriddenError, match=r"kustomization.yaml:\d"):
        promote(files, package="video", images=BOTH)


@pytest.mark.parametrize(
    "kustomization",
    [
        INLINE.replace("name: video", "name: other"),
        INLINE.replace("kind: Deployment", "kind: StatefulSet"),
        INLINE.replace("containers/0/image", "containers/0/env"),
        MERGE.replace("name: video", "name: other"),
        "patches: [{path: outside.yaml}]",
        "resources: []",
        "",
    ],
)
def test_a_patch_of_something_else_is_no_trouble(kustomization: str) -> None:
    files = {"a.yaml": DEPLOYMENT, "kustomization.yaml": kustomization}
    assert promote(files, package="video", images=BOTH)["kustomization.yaml"] == kustomization


def test_a_kustomization_that_renders_a_chart_is_refused_by_name() -> None:
    files = {"a.yaml": DEPLOYMENT, "kustomization.yaml": "helmCharts: [{name: x}]"}
    with pytest.raises(HelmTemplateError, match="helmCharts"):
        promote(files, package="video", images=BOTH)
