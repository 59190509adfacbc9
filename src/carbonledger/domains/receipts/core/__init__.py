"""Arithmetic and decisions of receipts. Pure."""
