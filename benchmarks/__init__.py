"""Measurements with a bar: `make bench NAME=<name>`."""
