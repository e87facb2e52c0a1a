"""Wires links and views into Airflow; nothing else."""
