"""The customers that an organization bills."""
