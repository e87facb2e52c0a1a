"""The domain: no Airflow, no network, no clock of its own."""
