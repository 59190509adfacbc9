"""Connections: accounts at AI providers whose usage is read."""
