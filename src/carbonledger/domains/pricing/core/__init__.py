"""Choosing a rate of the price book, and what usage costs at it. Pure: bytes of the book come in as arguments."""
