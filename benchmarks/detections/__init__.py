"""What the benchmark and the tests of detection share: agents, API servers, a stage in Airflow."""
