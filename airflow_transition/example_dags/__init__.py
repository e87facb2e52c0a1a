"""One small DAG for each use of the operators; the how-to quotes them and tests run them."""
