"""Every SQL statement of receipts."""
