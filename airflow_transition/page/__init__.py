"""The page in Airflow's web UI: fleet, packages, restore points, transitions."""
