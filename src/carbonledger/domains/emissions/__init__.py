"""Emissions: what usage emits, by a versioned factor set, as low, mid and high."""
