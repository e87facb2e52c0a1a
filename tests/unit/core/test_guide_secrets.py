"""What the guide's Secrets become: connections that work, and plain words on what does not."""

import base64
from pathlib import Path

import pytest

from airflow_transition.core.connection_change import Change, Stored, change
from airflow_transition.core.guide_secrets import (
    Given,
    GuideSecret,
    Unusable,
    git_connections,
    registry_connections,
    store_connections,
)
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy

PASSWORD = "a-password-that-no-message-may-show"
POLICY = Path(__file__).with_name("guide-policy.yaml")


def secret(**values: str) -> GuideSecret:
    return GuideSecret("default/some", values)


def registry(**values: str) -> Given:
    told = {"username": "vitu1", "password": PASSWORD, "registry": "registry.example", **values}
    (made,) = registry_connections(secret(**told), conn_id="transition_registry")
    assert isinstance(made, Given)
    return made


def store(**values: str) -> Given:
    told = {
        "MINIO_ENDPOINT": "s3.example:9000",
        "MINIO_ACCESS_KEY": "access",
        "MINIO_SECRET_KEY": PASSWORD,
        **values,
    }
    (made,) = store_connections(secret(**told), conn_id="transition_s3", bucket="checkpoints")
    assert isinstance(made, Given)
    return made


@pytest.fixture
def policy() -> ClusterPolicy:
    return load_policy(POLICY)


def test_one_git_account_serves_the_repository_of_each_cluster(policy: ClusterPolicy) -> None:
    found = list(git_connections(secret(username="nephio", password=PASSWORD), policies=[policy]))
    assert all(isinstance(each, Given) for each in found)
    source, target = (each for each in found if isinstance(each, Given))
    assert (source.conn_id, target.conn_id) == ("cluster1-azure-git", "cluster2-aws-git")
    assert source.host == policy.source.repo
    assert {source.login, target.login} == {"nephio"}


def test_a_targets_repository_lies_beside_the_sources_and_that_is_said(
    policy: ClusterPolicy,
) -> None:
    found = list(git_connections(secret(username="nephio", password=PASSWORD), policies=[policy]))
    target = found[1]
    assert isinstance(target, Given)
    assert target.host == policy.source.repo.replace("cluster1-azure", "cluster2-aws")
    assert "taken to be" in target.remarks[0]


def test_a_secret_without_its_keys_says_which_it_has(policy: ClusterPolicy) -> None:
    (found,) = git_connections(secret(user="nephio", password=PASSWORD), policies=[policy])
    assert isinstance(found, Unusable)
    assert "without `username`; its keys: password, user" in found.why


@pytest.mark.parametrize(
    ("registry_url", "host"),
    [
        ("http://docker.io", "https://registry-1.docker.io"),
        ("docker.io", "https://registry-1.docker.io"),
        ("registry.example:5000", "https://registry.example:5000"),
        ("https://registry.example\n", "https://registry.example"),
    ],
)
def test_a_registry_has_the_address_of_its_api(registry_url: str, host: str) -> None:
    made = registry(registry=registry_url)
    assert (made.host, made.extra, made.remarks) == (host, {"repository": "vitu1"}, ())


def test_plain_http_becomes_https_and_that_is_said() -> None:
    made = registry(registry="http://registry.example:5000")
    assert made.host == "https://registry.example:5000"
    assert "says http" in made.remarks[0]


@pytest.mark.parametrize("address", ["ftp://registry.example", "https://u:p@registry.example", ":"])
def test_what_is_no_address_is_not_used(address: str) -> None:
    told = secret(username="vitu1", password=PASSWORD, registry=address)
    (found,) = registry_connections(told, conn_id="transition_registry")
    assert isinstance(found, Unusable)
    assert "p@" not in found.why


def test_a_user_that_names_no_repository_is_told() -> None:
    made = registry(username="robot$transition")
    assert made.extra == {}
    assert "repository" in made.remarks[0]


def test_a_store_takes_the_guides_names_and_the_agents() -> None:
    made = store()
    assert made.extra == {"endpoint_url": "https://s3.example:9000", "region_name": "us-east-1"}
    other = secret(S3_ENDPOINT_URL="https://s3.example", S3_ACCESS_KEY="a", S3_SECRET_KEY="b")
    (found,) = store_connections(other, conn_id="x", bucket="checkpoints")
    assert isinstance(found, Given)


def test_another_bucket_is_a_setting_and_that_is_said() -> None:
    (remark,) = store(MINIO_BUCKET="memories").remarks
    assert "set [transition] bucket" in remark
    assert store(MINIO_BUCKET="checkpoints").remarks == ()


def test_a_password_that_the_guide_publishes_is_told() -> None:
    assert "published" in registry(password="secret").remarks[0]
    assert "published" in store(MINIO_SECRET_KEY="secret1234").remarks[0]


def test_a_new_connection_is_all_that_is_given() -> None:
    made = change(registry(), known=None)
    assert isinstance(made, Change)
    assert (made.is_new, made.fields) == (True, ("host", "login", "password", "extra"))


def test_what_a_person_set_stays_and_the_password_follows_the_secret() -> None:
    known = Stored(
        "docker",
        host="https://mirror.example",
        login="vitu1",
        password="old",
        extra={"ca_file": "/etc/ca.pem", "repository": "elsewhere"},
    )
    made = change(registry(), known=known)
    assert isinstance(made, Change)
    assert made.fields == ("password",)
    assert (made.wanted.host, made.wanted.extra) == (known.host, known.extra)


def test_a_second_import_changes_nothing() -> None:
    first = change(registry(), known=None)
    assert isinstance(first, Change)
    again = change(registry(), known=first.wanted)
    assert isinstance(again, Change)
    assert again.fields == ()


def test_a_connection_of_another_type_is_left_alone() -> None:
    found = change(registry(), known=Stored("http"))
    assert isinstance(found, Unusable)
    assert "type http" in found.why


def test_without_any_address_there_is_no_connection() -> None:
    given = Given("c-git", "git", "default/some", "nephio", PASSWORD)
    assert isinstance(change(given, known=None), Unusable)
    assert isinstance(change(given, known=Stored("git", host="https://git.example/c.git")), Change)


def test_no_secret_is_in_how_it_is_shown() -> None:
    given = registry()
    made = change(given, known=None)
    hidden = base64.b64encode(PASSWORD.encode()).decode()
    shown = f"{given!r} {made!r} {secret(password=PASSWORD)!r}"
    assert PASSWORD not in shown
    assert hidden not in shown
