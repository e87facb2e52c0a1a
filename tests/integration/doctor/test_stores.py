"""The doctor at a real S3 server and a real registry: what they refuse to strangers."""

import json
from collections.abc import Callable

import pytest

from airflow_transition.hooks.bucket_survey import BucketSurvey
from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.oci_registry import OciRegistryHook
from airflow_transition.hooks.registry_errors import RegistryDeletionRefusedError
from airflow_transition.hooks.store_errors import BucketMissingError, StoreDeniedError
from lab.services.loopback import RegistryEndpoint, S3Endpoint
from tests.integration.s3 import s3_client

SIGNED_KEY = "nodes/cluster1-azure/node-a.json"


@pytest.fixture
def connect_s3(monkeypatch: pytest.MonkeyPatch, s3_server: S3Endpoint) -> Callable[..., None]:
    def connect(**changes: str) -> None:
        connection = {
            "conn_type": "aws",
            "login": s3_server.access_key,
            "password": s3_server.secret_key,
            "extra": {
                "endpoint_url": s3_server.url,
                "region_name": s3_server.region,
                "verify": str(s3_server.ca_file),
            },
            **changes,
        }
        monkeypatch.setenv("AIRFLOW_CONN_TRANSITION_S3", json.dumps(connection))

    return connect


@pytest.fixture
def connect_registry(monkeypatch: pytest.MonkeyPatch) -> Callable[[RegistryEndpoint], None]:
    def connect(endpoint: RegistryEndpoint) -> None:
        connection = {
            "conn_type": "docker",
            "host": endpoint.url,
            "login": endpoint.username,
            "password": endpoint.password,
            "extra": {"ca_file": str(endpoint.ca_file)},
        }
        monkeypatch.setenv("AIRFLOW_CONN_TRANSITION_REGISTRY", json.dumps(connection))

    return connect


def test_a_bucket_with_keys_is_closed_to_strangers(
    connect_s3: Callable[..., None], s3_server: S3Endpoint
) -> None:
    connect_s3()
    s3_client(s3_server).put_object(Bucket=s3_server.bucket, Key=SIGNED_KEY, Body=b"{}")
    survey = BucketSurvey(CheckpointStoreHook(bucket=s3_server.bucket))
    key = survey.first_key()
    assert key is not None
    assert survey.open_ways(key) == []


def test_a_bucket_that_anybody_may_read_is_found(
    connect_s3: Callable[..., None], s3_server: S3Endpoint
) -> None:
    connect_s3()
    client, bucket = s3_client(s3_server), "public-by-mistake"
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key=SIGNED_KEY, Body=b"{}")
    allowed = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    survey = BucketSurvey(CheckpointStoreHook(bucket=bucket))
    assert survey.open_ways(survey.first_key()) == ["list its objects", "read its objects"]


def test_a_bucket_that_is_not_there_or_not_for_us_is_named(
    connect_s3: Callable[..., None], s3_server: S3Endpoint
) -> None:
    connect_s3()
    with pytest.raises(BucketMissingError):
        BucketSurvey(CheckpointStoreHook(bucket="no-such-bucket")).first_key()
    connect_s3(password="wrong")
    with pytest.raises(StoreDeniedError):
        BucketSurvey(CheckpointStoreHook(bucket=s3_server.bucket)).first_key()


def test_a_registry_with_passwords_is_closed_to_strangers(
    connect_registry: Callable[..., None], registry: RegistryEndpoint
) -> None:
    connect_registry(registry)
    hook = OciRegistryHook()
    hook.check()
    assert hook.anybody_reads(None) is False
    hook.require_deletions()


def test_a_registry_that_deletes_nothing_is_found(
    connect_registry: Callable[..., None], make_registry: Callable[..., RegistryEndpoint]
) -> None:
    connect_registry(make_registry(deletes=False))
    with pytest.raises(RegistryDeletionRefusedError):
        OciRegistryHook().require_deletions()
