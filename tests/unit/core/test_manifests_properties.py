"""Nothing but the intended values changes, however the manifest is written."""

from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.manifests import find_workload, promote, replace_images, scale

UNHURRIED = settings(deadline=None)
"""A loaded machine is no reason to fail."""

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format)
IMAGES = st.builds(
    "{}/{}@{}".format,
    st.sampled_from(["registry.example:5000", "10.0.0.1:5000", "r"]),
    st.sampled_from(["checkpoints", "a/b_c/d--e"]),
    DIGESTS,
)
STYLES = st.sampled_from(["{}", "'{}'", '"{}"', "&a{i} {}", "!!str {}", "!!str &a{i} '{}'"])
BLOCKS = st.sampled_from([">-", "|-", ">-  # folded", "|2-"])
COMMENTS = st.sampled_from(["", " # the image: x", "   #é😀", " \t"])
NOISE = st.sampled_from(["", "\n", "# image: no\n", "   \n\n", "# ---\n"])
OTHERS = st.sampled_from(
    [
        "",
        "---\n",
        "kind: ConfigMap\ndata:\n  text: |\n    image: registry.example/a:1\n    {{ go }}\n---\n",
        "# first\n---\n{kind: Service, metadata: {name: video}}\n...\n---\n",
        "a: &x {image: b}\nc: *x\n---\n",
    ]
)


@dataclass(frozen=True)
class Written:
    """A manifest with a hole for each image and for its replicas."""

    template: str
    images: dict[str, str]
    windows: bool
    mark: bool

    def text(self, images: dict[str, str], *, replicas: str = "1") -> str:
        text = self.template.replace("@REPLICAS@", replicas)
        for name, image in images.items():
            text = text.replace(f"@{name}@", image)
        text = text.replace("\n", "\r\n") if self.windows else text
        return "\ufeff" + text if self.mark else text


@st.composite
def written(draw: st.DrawFn) -> Written:
    step = " " * draw(st.integers(1, 5))
    names = draw(
        st.lists(
            st.from_regex(r"[a-z]{1,3}-x", fullmatch=True), min_size=1, max_size=4, unique=True
        )
    )
    before = draw(OTHERS)
    lines = [
        "kind: Deployment",
        "metadata:",
        f"{step}annotations:",
        f'{step}{step}"transition.dcnlab.ssu.ac.kr/cluster-policy": "true"',
        f"{step}{step}transition.dcnlab.ssu.ac.kr/packageName: video",
        f"{step}name: video",
        "spec:",
        f"{step}replicas: @REPLICAS@{draw(COMMENTS)}",
        f"{step}template:",
        f"{step * 2}spec:",
        f"{step * 3}initContainers:",
        f"{step * 3}- {{name: {names[0]}, image: 'stays:1'}}",
        f"{step * 3}containers:{draw(COMMENTS)}",
    ]
    indent = step * 3 + draw(st.sampled_from(["", "  ", "    "]))
    for index, name in enumerate(names):
        lines += _container(draw, name=name, index=index, indent=indent)
    noisy = [draw(NOISE) + line for line in lines]
    text = (
        before + "\n".join(noisy) + draw(st.sampled_from(["", "\n", "\n\n", "\n---\nkind: Last\n"]))
    )
    return Written(
        text,
        {name: f"registry.example/{name}:1" for name in names},
        windows=draw(st.booleans()),
        mark=draw(st.booleans()),
    )


def _container(draw: st.DrawFn, *, name: str, index: int, indent: str) -> list[str]:
    hole = f"@{name}@"
    style = draw(STYLES).replace("{i}", str(index)).format(hole)
    if draw(st.booleans()):
        quoted = style if style[0] in "'\"" else f"'{hole}'"
        return [f"{indent}- {{image: {quoted}, name: {name}}}{draw(COMMENTS)}"]
    if draw(st.booleans()):
        fields = [f"image: {draw(BLOCKS)}\n{indent}    {hole}", f"name: {name}"]
    else:
        fields = [f"image: {style}{draw(COMMENTS)}", f"name: {name}"]
    if draw(st.booleans()):
        fields.reverse()
    fields.append("imagePullPolicy: Always")
    return [f"{indent}- {fields[0]}", *(f"{indent}  {field}" for field in fields[1:])]


def parsed(text: str) -> list[Any]:
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


@UNHURRIED
@given(written(), st.data())
def test_only_the_images_change_and_every_other_byte_stays(
    manifest: Written, data: st.DataObject
) -> None:
    new = {name: data.draw(IMAGES) for name in manifest.images}
    before = manifest.text(manifest.images)
    workload = find_workload({"a.yaml": before}, package="video")
    assert workload.containers == tuple(manifest.images)
    after = replace_images(before, workload=workload, images=new)
    assert after == manifest.text(new)
    assert promote({"a.yaml": before}, package="video", images=new) == {"a.yaml": after}
    old_documents, new_documents = parsed(before), parsed(after)
    pod = old_documents[workload.document]["spec"]["template"]["spec"]
    for container in pod["containers"]:
        container["image"] = new[container["name"]]
    assert new_documents == old_documents


@UNHURRIED
@given(written(), st.data(), st.integers(0, 5))
def test_a_part_of_the_images_can_be_replaced(
    manifest: Written, data: st.DataObject, replicas: int
) -> None:
    some = data.draw(st.lists(st.sampled_from(sorted(manifest.images)), unique=True))
    new = {name: data.draw(IMAGES) for name in some}
    before = manifest.text(manifest.images)
    workload = find_workload({"a.yaml": before}, package="video")
    after = replace_images(before, workload=workload, images=new)
    assert after == manifest.text(manifest.images | new)
    assert scale(after, workload=workload, replicas=replicas) == manifest.text(
        manifest.images | new, replicas=str(replicas)
    )


@UNHURRIED
@given(written(), st.integers(0, 3))
def test_replicas_are_inserted_and_nothing_else_changes(manifest: Written, replicas: int) -> None:
    before = manifest.text(manifest.images).replace("replicas: 1", "paused: true")
    workload = find_workload({"a.yaml": before}, package="video")
    after = scale(before, workload=workload, replicas=replicas)
    assert len(after.splitlines()) == len(before.splitlines()) + 1
    old_documents, new_documents = parsed(before), parsed(after)
    old_documents[workload.document]["spec"]["replicas"] = replicas
    assert new_documents == old_documents


@UNHURRIED
@given(written(), st.data())
def test_a_damaged_manifest_is_refused_by_name_or_changed_rightly(
    manifest: Written, data: st.DataObject
) -> None:
    text = manifest.text(manifest.images)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    damage = data.draw(st.text("&*<:{}[]-?|>'\"!%@`#~, \t\n\rax\x00\u2028", max_size=4))
    text = text[:start] + damage + text[end:]
    image = data.draw(IMAGES)
    try:
        workload = find_workload({"a.yaml": text}, package="video")
        after = replace_images(
            text, workload=workload, images=dict.fromkeys(workload.containers, image)
        )
    except PermanentError:
        return
    again = find_workload({"a.yaml": after}, package="video")
    assert again == workload
    assert after.count(image) >= len(workload.containers)
    assert replace_images(after, workload=again, images={}) == after
