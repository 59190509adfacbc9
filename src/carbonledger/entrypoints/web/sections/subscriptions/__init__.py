"""Subscriptions: the list, each with its story, its usage and its next invoice, and what is done with them."""
