"""Decisions of connections: when to read what, what a bucket means to the ledger, what a poll does to its connection. Pure."""
