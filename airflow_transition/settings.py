"""The `[transition]` section of Airflow's configuration, read when it is needed."""

from dataclasses import dataclass
from pathlib import Path

from airflow.sdk import conf

SECTION = "transition"


@dataclass(frozen=True)
class Settings:
    """Where restore points live, and which connections lead there."""

    bucket: str
    prefix: str
    checkpoint_store_conn_id: str
    registry_conn_id: str
    receiver_conn_id: str
    fencing_hook: str
    management_cluster_conn_id: str
    management_cluster_namespace: str
    canary_image: str


def read_settings() -> Settings:
    """What applies on this machine now; the defaults stand in the provider's description."""
    return Settings(
        bucket=_option("bucket"),
        prefix=_option("prefix"),
        checkpoint_store_conn_id=_option("checkpoint_store_conn_id"),
        registry_conn_id=_option("registry_conn_id"),
        receiver_conn_id=_option("receiver_conn_id"),
        fencing_hook=_option("fencing_hook"),
        management_cluster_conn_id=_option("management_cluster_conn_id"),
        management_cluster_namespace=_option("management_cluster_namespace"),
        canary_image=_option("canary_image"),
    )


def policies_folder(*, beside: Path) -> Path:
    """Folder of the policy files; a relative one is meant below `beside`."""
    return beside / _option("policies_folder")


def _option(name: str) -> str:
    return str(conf.get(SECTION, name))
