"""What benchmarks and tests of fault detection share: agents, API servers, a stage in Airflow."""
