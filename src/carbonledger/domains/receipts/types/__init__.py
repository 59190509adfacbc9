"""Periods, credits, receipts and the log that proves them."""
