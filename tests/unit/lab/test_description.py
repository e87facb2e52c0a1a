from pathlib import Path

import pytest
from pydantic import ValidationError

from lab.description import ALL_CLUSTERS, CLUSTERS, LabDescription, LabSettings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_NAME", "labx")
    monkeypatch.setenv("LAB_SUBNET", "10.99.3.0/24")
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))
    return LabSettings()


def test_all_addresses_follow_from_the_subnet(settings: LabSettings) -> None:
    lab = LabDescription.create(settings)
    assert settings.host_address == "10.99.3.1"
    assert lab.s3.endpoint_url == "https://10.99.3.2:8333"
    assert lab.registry.address == "10.99.3.2:5000"
    assert lab.git.repositories["cluster1-azure"] == "https://10.99.3.2:3000/cluster1-azure.git"
    assert [lab.clusters[name].api_url for name in CLUSTERS] == [
        "https://10.99.3.11:6443",
        "https://10.99.3.12:6443",
    ]
    assert lab.clusters["cluster2-aws"].app_url == "http://10.99.3.12:30080"


def test_a_third_cluster_is_there_only_where_it_is_asked_for(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tuple(LabDescription.create(settings).clusters) == CLUSTERS
    monkeypatch.setenv("LAB_CLUSTERS", "3")
    lab = LabDescription.create(LabSettings())
    assert tuple(lab.clusters) == ALL_CLUSTERS == tuple(lab.git.repositories)
    assert lab.clusters["cluster3-gcp"].api_url == "https://10.99.3.13:6443"


def test_names_of_namespaces_begin_with_the_labs_name(settings: LabSettings) -> None:
    lab = LabDescription.create(settings)
    names = {lab.services_netns, *(cluster.netns for cluster in lab.clusters.values())}
    assert len(names) == 3
    assert all(name.startswith("labx-") for name in names)


def test_what_is_saved_is_loaded_again_and_is_private(settings: LabSettings) -> None:
    lab = LabDescription.create(settings)
    file = lab.save()
    assert file.stat().st_mode & 0o777 == 0o600
    assert LabDescription.load() == lab
    assert [entry.name for entry in file.parent.iterdir()] == ["lab.json"]


def test_secrets_are_fresh_for_each_lab_and_are_not_printed(settings: LabSettings) -> None:
    first, second = LabDescription.create(settings), LabDescription.create(settings)
    assert first.git.password != second.git.password
    for secret in (
        first.s3.secret_key,
        first.registry.password,
        first.git.password,
        first.clusters["cluster1-azure"].token,
    ):
        assert secret not in repr(first)


@pytest.mark.parametrize("name", ["toolong", "La", "1ab", ""])
def test_a_name_that_linux_would_not_take_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_NAME", name)
    with pytest.raises(ValidationError, match="LabSettings"):
        LabSettings()


def test_a_subnet_without_room_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_SUBNET", "10.99.3.0/29")
    with pytest.raises(ValidationError, match="too small"):
        LabSettings()
