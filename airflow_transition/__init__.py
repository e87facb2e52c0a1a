"""Airflow provider that moves running workloads between Kubernetes clusters."""

__version__ = "0.1.0"
