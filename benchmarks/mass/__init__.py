"""A thousand packages of one cluster, whose pods are simulated."""
