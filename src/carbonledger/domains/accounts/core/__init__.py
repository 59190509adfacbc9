"""Decisions of accounts. Pure."""
