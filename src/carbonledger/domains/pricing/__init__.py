"""Pricing: what a provider charges for usage, by a dated price book."""
