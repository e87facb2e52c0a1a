"""DAGs of every valid policy file."""
