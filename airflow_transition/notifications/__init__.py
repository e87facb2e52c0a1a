"""Notifiers tell people how a run ended."""
