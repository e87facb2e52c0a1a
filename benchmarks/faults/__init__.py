"""Simulated heartbeats, judged by the functions that the product runs on."""
