"""Invoices: the list, one with its lines, and each line explained."""
