"""Periods, credits, signed receipts and the public log that they stand in."""
