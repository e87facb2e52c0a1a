"""What the benchmark of the receiver needs: a database, a process, and agents in great number."""
