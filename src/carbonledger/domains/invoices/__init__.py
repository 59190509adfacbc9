"""Invoices: what is billed, as documents that never change: rating, totals, numbers, the bill run, PDFs."""
