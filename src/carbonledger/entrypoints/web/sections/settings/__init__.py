"""Settings: the organization, its people and keys, and oneself."""
