"""Every SQL statement of connections, always filtered by organization."""
