"""The agents' heartbeats: each node's token, the receiver's address, how often."""

import time
from datetime import timedelta

import requests

from lab import agents
from lab.airflow import AirflowInstance
from lab.description import LabDescription
from lab.errors import LabError
from lab.node import Node
from lab.receiver import Receiver, ReceiverClient

CONNECTION_ID = "transition_receiver"
_PATIENCE_SECONDS = 60.0
_PROBE_SECONDS = 0.1


def enroll(lab: LabDescription, *, airflow: AirflowInstance, interval: timedelta) -> ReceiverClient:
    """Give every node its token, restart the agents with it, and wait for their heartbeats."""
    receiver = Receiver(lab)
    client = ReceiverClient(receiver, bearer=airflow.bearer)
    airflow.store_connections({CONNECTION_ID: connection(lab, airflow=airflow)})
    for cluster in lab.clusters:
        node = Node.of(lab, cluster=cluster)
        token = client.new_token(cluster=cluster, node=node.name)
        agents.write_heartbeats(node, url=receiver.url, token=token, interval=interval)
        agents.agent_of(lab, cluster=cluster).stop()
    agents.start(lab)
    wait_for_heartbeats(client, clusters=tuple(lab.clusters))
    return client


def wait_for_heartbeats(client: ReceiverClient, *, clusters: tuple[str, ...]) -> None:
    """Until the receiver calls each of these clusters' nodes Ready."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        health = _health(client)
        if all(health.get(cluster) == "Ready" for cluster in clusters):
            return
        if time.monotonic() > deadline:
            raise LabError(
                "no heartbeats",
                where=", ".join(name for name in clusters if health.get(name) != "Ready"),
                found=str(health),
                do="read the agents' logs in the lab's state folder",
            )
        time.sleep(_PROBE_SECONDS)


def _health(client: ReceiverClient) -> dict[str, str]:
    try:
        return client.health(grace_seconds=20)
    except requests.RequestException:  # it may be starting
        return {}


def connection(lab: LabDescription, *, airflow: AirflowInstance) -> dict[str, object]:
    """How Airflow's tasks and triggers reach the receiver."""
    return {
        "conn_type": "http",
        "host": Receiver(lab).url,
        "login": airflow.username,
        "password": airflow.password,
        "extra": {"ca_file": str(lab.ca_file), "airflow_url": airflow.url},
    }
