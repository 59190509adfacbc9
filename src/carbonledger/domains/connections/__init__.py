"""Accounts at AI providers whose usage is read."""
