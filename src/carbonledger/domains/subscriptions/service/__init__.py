"""The front door of subscriptions: begun, changed, paused, canceled; what is due of them; and their advance with time."""
