"""Arithmetic and decisions of invoices; pure."""
