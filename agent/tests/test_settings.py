"""Settings come from the environment, by our names or the guide's; what is wrong is named."""

from datetime import timedelta
from pathlib import Path

import pytest
from transition_agent.settings import AgentSettings, SettingsError, read_settings

SECRET = "hunter2-very-secret"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for described in AgentSettings.model_fields.values():
        for name in described.validation_alias.choices:  # type: ignore[union-attr]  # all have some
            monkeypatch.delenv(str(name), raising=False)
    monkeypatch.setenv("CLUSTER_NAME", "cluster1-azure")


def test_the_guides_variables_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "CHECKPOINT_DIR": "/var/lib/kubelet/checkpoints",
        "MINIO_ENDPOINT": "47.129.115.173:31092",
        "MINIO_ACCESS_KEY": "nephio1234",
        "MINIO_SECRET_KEY": SECRET,
        "MINIO_BUCKET": "archives",
        "PULL_INTERVAL": "5s",
        "AWS_REGION": "ap-southeast-1",
        "CONTROLLER_URL": "http://47.129.115.173:8090/heartbeat",
        "FAULT_DETECTION_INTERVAL": "1m30s",
    }.items():
        monkeypatch.setenv(name, text)
    settings = read_settings()
    assert settings.s3_endpoint_url == "http://47.129.115.173:31092"
    assert (settings.s3_access_key, settings.s3_bucket) == ("nephio1234", "archives")
    assert settings.s3_secret_key is not None
    assert settings.s3_secret_key.get_secret_value() == SECRET
    assert settings.rescan_interval == timedelta(seconds=5)
    assert settings.heartbeat_interval == timedelta(seconds=90)
    assert settings.checkpoint_dir == Path("/var/lib/kubelet/checkpoints")
    assert not settings.encrypted


def test_our_name_wins_over_the_guides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_BUCKET", "theirs")
    monkeypatch.setenv("S3_BUCKET", "ours")
    assert read_settings().s3_bucket == "ours"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "")
    assert read_settings().s3_endpoint_url is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("CLUSTER_NAME", "", "CLUSTER_NAME: Field required"),
        ("CLUSTER_NAME", "Not_A_Name", "CLUSTER_NAME: String should match"),
        ("PULL_INTERVAL", "soon", "PULL_INTERVAL: give a duration above zero"),
        ("RESCAN_INTERVAL", "0s", "RESCAN_INTERVAL: give a duration above zero"),
        ("S3_ENDPOINT_URL", "ftp://x", "S3_ENDPOINT_URL: give https://host:port"),
        ("MINIO_ENDPOINT", "http://", "MINIO_ENDPOINT: give https://host:port"),
        ("S3_CA_FILE", "/no/such.pem", "S3_CA_FILE: no such file: /no/such.pem"),
        ("METRICS_ADDRESS", "9464", "METRICS_ADDRESS: give host:port, or off"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: give debug, info, warning or error"),
        ("FREE_SPACE_FLOOR", "much", "FREE_SPACE_FLOOR: could not parse"),
        ("CONTROLLER_URL", "10.0.0.1:8090", "CONTROLLER_URL: give https://host:port"),
        ("CONTROLLER_URL", "https://u:p@host", "CONTROLLER_URL: give https://host:port alone"),
        ("CONTROLLER_URL", "https://host/?a=1", "CONTROLLER_URL: give https://host:port alone"),
        ("CONTROLLER_CA_FILE", "/no/such.pem", "CONTROLLER_CA_FILE: no such file: /no/such.pem"),
        ("FAULT_DETECTION_INTERVAL", "50ms", "FAULT_DETECTION_INTERVAL: give a duration from"),
        ("HEARTBEAT_INTERVAL", "2h", "HEARTBEAT_INTERVAL: give a duration from 100ms to 1h"),
        ("CONTAINER_RUNTIME", "docker", "CONTAINER_RUNTIME: Input should be 'auto'"),
        ("S3_ACCESS_KEY", "key", "S3_ACCESS_KEY and S3_SECRET_KEY belong together"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError, match=r"^environment: ") as caught:
        read_settings()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://47.129.115.173:8090/heartbeat", "http://47.129.115.173:8090/heartbeat"),
        ("https://receiver.example", "https://receiver.example/heartbeat"),
        ("https://airflow.example/transition/", "https://airflow.example/transition/heartbeat"),
        ("https://[fd00::1]:8090", "https://[fd00::1]:8090/heartbeat"),
    ],
)
def test_heartbeats_go_to_the_receivers_own_path(
    monkeypatch: pytest.MonkeyPatch, address: str, url: str
) -> None:
    monkeypatch.setenv("CONTROLLER_URL", address)
    assert read_settings().controller_url == url


def test_there_is_one_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROLLER_TOKEN", SECRET)
    assert SECRET not in repr(read_settings())
    monkeypatch.setenv("CONTROLLER_TOKEN_FILE", "/run/token")
    with pytest.raises(SettingsError, match="CONTROLLER_TOKEN or CONTROLLER_TOKEN_FILE, not both"):
        read_settings()


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("METRICS_ADDRESS", "nowhere")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert "LOG_LEVEL" in str(caught.value)
    assert "METRICS_ADDRESS" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5), ("500ms", 0.5), ("1m30s", 90), ("1.5h", 5400), ("7d", 604800)]
)
def test_durations_are_written_as_in_the_guide(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float
) -> None:
    monkeypatch.setenv("KEEP_ARCHIVES_FOR", text)
    assert read_settings().keep_archives_for == timedelta(seconds=seconds)


@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "MINIO_ENDPOINT"])
def test_no_secret_is_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, f"https://user:{SECRET}@host")
    monkeypatch.setenv("S3_SECRET_KEY", SECRET)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert SECRET not in str(caught.value)
    monkeypatch.delenv(name)
    monkeypatch.setenv("S3_ACCESS_KEY", "key")
    assert SECRET not in repr(read_settings())
