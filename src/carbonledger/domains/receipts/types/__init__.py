"""Words of receipts."""
