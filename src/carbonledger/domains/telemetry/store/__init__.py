"""Every SQL statement of the ledger, always filtered by organization."""
