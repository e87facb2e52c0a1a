"""Operators connect what core decides to what hooks do."""
