"""Subscriptions: the list, and each with its life: what was decided, what it was charged, what comes next."""
