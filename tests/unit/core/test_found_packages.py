"""What `selectMode: All` protects: what the repository annotates, and nothing that is in doubt."""

from pathlib import Path
from typing import Any

import pytest

from airflow_transition.core.found_packages import FoundPackages, find_packages
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import PolicyFileError, load_policy

GUIDE_POLICY = Path(__file__).parent / "guide-policy.yaml"
EVERY_HOUR = [{"name": "hourly", "backupType": "Schedule", "schedulePeriod": "@hourly"}]


def all_of(listed: tuple[str, ...] = (), **spec: Any) -> ClusterPolicy:
    document = load_policy(GUIDE_POLICY).model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"] |= {"selectMode": "All", "backupInformation": EVERY_HOUR, **spec}
    document["spec"]["packageSelectors"] = [
        package for package in document["spec"]["packageSelectors"] if package["name"] in listed
    ]
    return ClusterPolicy.of_document(document)


def manifest(package: str, *, namespace: str = "shop", policy: str = '"true"') -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {package}
  namespace: {namespace}
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: {policy}
    transition.dcnlab.ssu.ac.kr/packageName: {package}
spec:
  template:
    spec:
      containers: [{{name: app, image: registry/app:1}}]
"""


def find(files: dict[str, str], *listed: str) -> FoundPackages:
    return find_packages(all_of(listed), files=files)


def left(found: FoundPackages) -> dict[str, str]:
    return dict(found.left or {})


def test_annotated_manifests_are_packages_with_their_folder_and_namespace() -> None:
    found = find(
        {
            "cart/deployment.yaml": manifest("cart"),
            "apps/db/base/sts.yaml": manifest("db"),
            "apps/web-1/deployment.yaml": manifest("web"),
        }
    )
    assert [(one.name, one.package_path, one.namespace) for one in found.found] == [
        ("cart", "cart", "shop"),
        ("db", "apps/db", "shop"),
        ("web", "apps/web-1", "shop"),
    ]
    assert all(one.live_state_package for one in found.found)
    assert found.policy.package("db") == found.found[1]
    assert left(found) == {}


def test_a_listed_package_stays_as_it_is_listed() -> None:
    found = find({"elsewhere/d.yaml": manifest("video")}, "video")
    assert found.found == ()
    assert [one.package_path for one in found.policy.spec.package_selectors] == ["video"]


def test_an_annotation_that_is_not_true_protects_nothing() -> None:
    assert find({"cart/d.yaml": manifest("cart", policy='"false"')}).found == ()


def test_a_name_in_two_places_is_left_out_with_both() -> None:
    found = find({"a/d.yaml": manifest("cart"), "b/d.yaml": manifest("cart")})
    assert found.found == ()
    assert "a/d.yaml:1, b/d.yaml:1" in left(found)["cart"]


@pytest.mark.parametrize(
    "files",
    [
        {"apps/one.yaml": manifest("one"), "apps/two.yaml": manifest("two")},
        {"apps/one.yaml": manifest("one"), "apps/two/d.yaml": manifest("two")},
    ],
)
def test_packages_that_share_a_folder_are_left_out(files: dict[str, str]) -> None:
    found = find(files)
    assert found.found == ()
    assert all("shared with another package" in why for why in left(found).values())
    assert left(found).keys() == {"one", "two"}


def test_a_folder_of_a_listed_package_is_not_shared_either() -> None:
    found = find({"video/extra/d.yaml": manifest("extra")}, "video")
    assert "shared with another package" in left(found)["extra"]


def test_what_cannot_be_read_holds_up_nothing_else() -> None:
    found = find(
        {
            "broken/d.yaml": "kind: [",
            "d.yaml": manifest("root"),
            "odd/d.yaml": manifest("Not_A_Name"),
            "cart/d.yaml": manifest("cart"),
        }
    )
    assert [one.name for one in found.found] == ["cart"]
    assert left(found).keys() == {"broken/d.yaml", "root", "Not_A_Name"}


def test_backups_of_the_whole_policy_are_refused_where_nothing_is_looked_for(
    tmp_path: Path,
) -> None:
    text = GUIDE_POLICY.read_text().replace(
        "  selectMode: Specific",
        "  backupInformation:\n    - {name: all, backupType: Manual}\n  selectMode: Specific",
    )
    assert "backupInformation" in text
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(PolicyFileError, match="or write selectMode: All"):
        load_policy(tmp_path / "p.yaml")


def test_all_without_backups_protects_what_is_listed() -> None:
    assert not all_of(("video",), backupInformation=[]).finds_packages
    assert all_of().finds_packages
