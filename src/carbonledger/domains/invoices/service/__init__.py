"""The front door of invoices."""
