"""Sensors wait for something outside."""
