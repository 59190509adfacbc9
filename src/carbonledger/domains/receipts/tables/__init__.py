"""Tables of receipts."""
