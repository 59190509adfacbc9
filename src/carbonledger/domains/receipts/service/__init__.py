"""The front door of receipts."""
