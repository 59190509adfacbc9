"""Every SQL statement of accounts: the accounts with what is live for them, and their payment methods."""
