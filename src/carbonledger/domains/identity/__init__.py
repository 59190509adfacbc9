"""Organizations, members, API keys, sessions and tokens: who is asking, and for which tenant."""
