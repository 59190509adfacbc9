"""Subscriptions: what a customer has taken, as dated facts; what follows from them at an instant, and what is to be charged."""
