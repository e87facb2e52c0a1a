"""Transfers move data from one system to another."""
