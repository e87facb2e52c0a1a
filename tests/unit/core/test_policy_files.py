import os
from pathlib import Path

import pytest

from airflow_transition.core.policy_files import (
    MAX_BYTES,
    PolicyFileError,
    find_policies,
    load_policies,
    load_policy,
)

GUIDE = (Path(__file__).parent / "guide-policy.yaml").read_text()
SHIPPED = Path(__file__).parents[3] / "dags" / "policies" / "clusterpolicy-sample.yaml"


def write(folder: Path, text: str, *, name: str = "web.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def errors_of(path: Path) -> list[str]:
    with pytest.raises(PolicyFileError) as caught:
        load_policies(path)
    assert all(line.startswith(f"{path}:") for line in str(caught.value).splitlines())
    return [
        line.removeprefix(f"{path}:").removeprefix(" ") for line in str(caught.value).splitlines()
    ]


def after(old: str, new: str, *, folder: Path) -> list[str]:
    """Errors of the guide's sample with `old` replaced."""
    assert old in GUIDE
    return errors_of(write(folder, GUIDE.replace(old, new)))


def test_the_sample_of_the_guide_is_read_as_it_is(tmp_path: Path) -> None:
    assert load_policy(write(tmp_path, GUIDE)).name == "clusterpolicy-sample"


def test_the_shipped_example_is_the_sample_of_the_guide_at_a_neutral_address() -> None:
    guide = GUIDE.replace("http://13.212.242.157:31410/", "https://git.example.com/")
    modeline, _, shipped = SHIPPED.read_text().partition("\n")
    assert modeline.startswith("# yaml-language-server: ")
    assert shipped == guide
    assert load_policy(SHIPPED).package("video").backup_information[0].schedule_period


def test_a_misspelt_field_is_told_with_its_line_and_the_right_name(tmp_path: Path) -> None:
    [error] = after("weight: 100", "wieght: 100", folder=tmp_path)
    field, _, message = error.rpartition(": ")
    assert field == "24: spec.targetClusterPolicy.preferClusters.0.wieght"
    assert message == 'unknown field; did you mean "weight"?'


def test_an_unknown_enum_value_is_told_with_its_line_and_the_right_one(tmp_path: Path) -> None:
    assert after("packageType: Stateful", "packageType: Statefull", folder=tmp_path) == [
        '14: spec.packageSelectors.0.packageType: "Statefull" is unknown; did you mean "Stateful"?'
    ]
    assert after("selectMode: Specific", "selectMode: Some", folder=tmp_path) == [
        '10: spec.selectMode: "Some" is unknown; write Specific or All'
    ]


def test_all_errors_of_a_file_come_at_once(tmp_path: Path) -> None:
    broken = (
        GUIDE.replace("    repoType: git\n  selectMode", "  selectMode")
        .replace('"*/3 * * * *"', '"*/3 * * *"')
        .replace("name: cluster2-aws", "name: cluster1-azure")
    )
    fields = [line.split(": ")[1] for line in errors_of(write(tmp_path, broken))]
    assert fields == [
        "spec.clusterSelector.repoType",
        "spec.packageSelectors.0.backupInformation.0.schedulePeriod",
        "spec.targetClusterPolicy.preferClusters.0.name",
    ]


def test_a_missing_field_is_told_at_the_line_of_what_lacks_it(tmp_path: Path) -> None:
    assert after("    repoType: git\n  selectMode", "  selectMode", folder=tmp_path) == [
        "6: spec.clusterSelector.repoType: is missing; write git"
    ]


def test_a_field_in_the_wrong_place_is_told_where_it_belongs(tmp_path: Path) -> None:
    moved = GUIDE.replace("  targetClusterPolicy:\n    prefer", "targetClusterPolicy:\n    prefer")
    assert errors_of(write(tmp_path, moved)) == [
        "20: targetClusterPolicy: does not belong here but in spec; check the indentation"
    ]


@pytest.mark.parametrize("field", ["transitionMode: manual", "packageRetentionPolicy: {}"])
def test_a_field_of_older_operators_is_named_as_such(tmp_path: Path, field: str) -> None:
    name = field.partition(":")[0]
    assert after("  selectMode", f"  {field}\n  selectMode", folder=tmp_path)[0].startswith(
        f"10: spec.{name}: is no longer used; remove it"
    )


def test_credentials_in_a_repository_url_are_never_repeated(tmp_path: Path) -> None:
    [error] = after("http://13.212", "http://nephio:hunter2@13.212", folder=tmp_path)
    assert error.startswith("8: spec.clusterSelector.repo: holds credentials")
    assert "hunter2" not in error
    path = tmp_path / "web.yaml"
    with pytest.raises(PolicyFileError) as caught:
        load_policies(path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("liveStatePackage: yes please", "is text; write true or false, without quotes"),
        ("liveStatePackage:", "is empty; write a value or remove the field"),
        ("liveStatePackage: [a]", "is a list; write true or false, without quotes"),
        ("liveStatePackage: !mine true", "has the tag !mine; remove the tag"),
        ("liveStatePackage: !!int x", "is no int; correct it, or quote it"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_what_to_write(
    tmp_path: Path, written: str, message: str
) -> None:
    assert after("liveStatePackage: true", written, folder=tmp_path) == [
        f"15: spec.packageSelectors.0.liveStatePackage: {message}"
    ]


@pytest.mark.parametrize("name", ["123", "on", "1.0"])
def test_a_name_that_yaml_reads_as_something_else_is_to_be_quoted(
    tmp_path: Path, name: str
) -> None:
    [error] = after("name: cluster2-aws", f"name: {name}", folder=tmp_path)
    assert error.startswith("22: spec.targetClusterPolicy.preferClusters.0.name: reads as ")
    assert error.endswith(f'quote it: "{name}"')


def test_a_field_that_stands_twice_is_told_with_both_lines(tmp_path: Path) -> None:
    assert after("  selectMode", "  selectMode: All\n  selectMode", folder=tmp_path) == [
        "11: spec.selectMode: stands here again, after line 10; remove one of the two"
    ]


def test_an_unquoted_cron_is_told_to_be_quoted(tmp_path: Path) -> None:
    [error] = after('"*/3 * * * *"', "*/3 * * * *", folder=tmp_path)
    assert error.startswith("19: schedulePeriod: not YAML: ")
    assert error.endswith("; put the value into quotes")


def test_a_tab_is_told_to_be_spaces(tmp_path: Path) -> None:
    [error] = after("    name: cluster1", "\tname: cluster1", folder=tmp_path)
    assert error.startswith("7: ")
    assert error.endswith("indent with spaces, not tabs")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n---\n", "~\n"])
def test_a_file_without_a_policy_is_an_error(tmp_path: Path, text: str) -> None:
    assert errors_of(write(tmp_path, text)) == [
        "1: file: holds no policy; write one, or remove the file"
    ]


@pytest.mark.parametrize("text", ["- a\n", "text\n", "1\n"])
def test_a_document_that_is_no_mapping_is_an_error(tmp_path: Path, text: str) -> None:
    assert errors_of(write(tmp_path, text))[0].startswith("1: document: is no policy")


def test_another_kind_of_document_is_an_error(tmp_path: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
    fields = [line.split(": ")[1] for line in errors_of(write(tmp_path, secret))]
    assert fields == ["apiVersion", "spec", "kind"]


def test_a_file_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    assert errors_of(path) == ["2: file: is not UTF-8; save it as UTF-8"]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GUIDE.replace("\n", "\r\n").encode())
    assert load_policy(path).name == "clusterpolicy-sample"
    path.write_bytes(path.read_bytes().replace(b"weight", b"wieght"))
    assert errors_of(path)[0].startswith("24: ")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    assert "is larger than" in errors_of(write(tmp_path, "#" * (MAX_BYTES + 1)))[0]


def test_something_that_is_no_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert errors_of(tmp_path / "pipe.yaml") == ["1: file: is no file"]
    assert "cannot be read" in errors_of(tmp_path / "none.yaml")[0]


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 100_000,
        "- " * 100_000,
        "a: &a [*a]",
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)),
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 2000)),
        "a: &a {<<: *a}",
        "? [a]\n: b",
        "a: \x01",
    ],
    ids=lambda bomb: bomb[:12],
)
def test_hostile_yaml_is_an_error_and_nothing_worse(tmp_path: Path, bomb: str) -> None:
    assert errors_of(write(tmp_path, bomb))


def test_anchors_and_merge_keys_are_read(tmp_path: Path) -> None:
    text = GUIDE.replace("- name: cluster2-aws", "- &aws\n        name: cluster2-aws")
    text += "      - <<: *aws\n        name: cluster3\n"
    targets = load_policy(write(tmp_path, text)).spec.target_cluster_policy.prefer_clusters
    assert [(target.name, target.weight) for target in targets] == [
        ("cluster2-aws", 100),
        ("cluster3", 100),
    ]


def test_an_error_behind_an_alias_is_told_where_the_alias_stands(tmp_path: Path) -> None:
    text = GUIDE.replace("name: clusterpolicy-sample", "name: &name cluster1-azure")
    text = text.replace("name: cluster2-aws", "name: *name")
    assert errors_of(write(tmp_path, text))[0].startswith(
        "22: spec.targetClusterPolicy.preferClusters.0.name: is the source"
    )


def test_a_file_may_hold_several_policies(tmp_path: Path) -> None:
    other = GUIDE.replace("clusterpolicy-sample", "other")
    path = write(tmp_path, f"{GUIDE}---\n{other}")
    assert [policy.name for policy in load_policies(path)] == ["clusterpolicy-sample", "other"]
    with pytest.raises(PolicyFileError, match="is one of 2"):
        load_policy(path)


def test_errors_of_every_document_of_a_file_come_at_once(tmp_path: Path) -> None:
    broken = GUIDE.replace("weight", "wieght")
    lines = errors_of(write(tmp_path, f"{broken}---\n{broken}"))
    assert [line.partition(":")[0] for line in lines] == ["24", "29", "49"]
    assert '"clusterpolicy-sample" is already the name' in lines[1]


def test_a_broken_file_takes_nothing_away_but_its_own_policies(tmp_path: Path) -> None:
    write(tmp_path, GUIDE)
    (tmp_path / "deeper").mkdir()
    other = write(tmp_path / "deeper", GUIDE.replace("policy-sample", "two"), name="b.yml")
    broken = write(tmp_path, "a: [", name="broken.yaml")
    found = find_policies(tmp_path)
    assert {policy.name for policy in found.policies} == {"clusterpolicy-sample", "clustertwo"}
    assert [error.path for error in found.errors] == [broken]
    assert other in [loaded.path for loaded in found.loaded]


def test_a_name_taken_by_another_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    first, second = write(tmp_path, GUIDE, name="a.yaml"), write(tmp_path, GUIDE, name="b.yaml")
    found = find_policies(tmp_path)
    assert [loaded.path for loaded in found.loaded] == [first]
    assert str(found.errors[0]) == (
        f'{second}:4: metadata.name: "clusterpolicy-sample" is already the name of the policy in '
        f"{first}:4; choose another"
    )


def test_hidden_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    write(tmp_path / "..data", GUIDE)
    (tmp_path / "web.yaml").symlink_to(tmp_path / "..data" / "web.yaml")
    found = find_policies(tmp_path)
    assert [loaded.path.name for loaded in found.loaded] == ["web.yaml"]
    assert not found.errors


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    found = find_policies(tmp_path / "none")
    assert not found.policies
    assert "is no folder" in str(found.errors[0])
