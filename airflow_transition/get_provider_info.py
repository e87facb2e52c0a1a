"""What Airflow discovers of this provider. Imports nothing of Airflow."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Provider metadata in the shape of Airflow's provider.yaml schema."""
    return {
        "package-name": "airflow-transition",
        "name": "Transition",
        "description": "Moves running workloads between Kubernetes clusters.",
        "versions": ["0.1.0"],
    }
