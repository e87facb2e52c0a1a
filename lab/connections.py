"""The lab as Airflow connections: what a user types into the connection forms."""

from typing import Any

from lab.description import LabDescription


def connections_of(lab: LabDescription) -> dict[str, dict[str, Any]]:
    """Connection id -> Airflow's JSON form of the connection, secrets included."""
    ca_file = str(lab.ca_file)
    connections: dict[str, dict[str, Any]] = {
        "transition_s3": {
            "conn_type": "aws",
            "login": lab.s3.access_key,
            "password": lab.s3.secret_key,
            "extra": {
                "endpoint_url": lab.s3.endpoint_url,
                "region_name": lab.s3.region,
                "verify": ca_file,
            },
        },
        "transition_registry": {
            "conn_type": "docker",
            "host": lab.registry.url,
            "login": lab.registry.username,
            "password": lab.registry.password,
            "extra": {"ca_file": ca_file, "repository": "checkpoints"},
        },
    }
    for name, cluster in lab.clusters.items():
        connections[name] = {
            "conn_type": "kubernetes",
            "extra": {"kube_config_path": str(cluster.kubeconfig)},
        }
        connections[f"{name}-git"] = {
            "conn_type": "git",
            "host": lab.git.repositories[name],
            "login": lab.git.username,
            "password": lab.git.password,
            "extra": {"ca_file": ca_file},
        }
    return connections
