"""`airflow transition ...`: what a person asks for at a shell."""
