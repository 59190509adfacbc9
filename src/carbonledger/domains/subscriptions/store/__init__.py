"""Every SQL statement of subscriptions."""
