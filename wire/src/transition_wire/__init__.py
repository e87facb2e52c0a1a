"""What the node agent and Airflow say to each other."""
