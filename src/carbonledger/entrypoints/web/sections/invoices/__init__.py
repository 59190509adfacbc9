"""Invoices: the list, each with what explains its lines, what is done with them, and how the organization sells."""
