"""Sealed secrets: provider keys, channel tokens, and their rotation."""
