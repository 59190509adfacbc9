"""Meters, and what they say."""
