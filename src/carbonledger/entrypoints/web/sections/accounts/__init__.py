"""Accounts: the customers that are billed."""
