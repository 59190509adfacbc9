"""Usage filtered and grouped by anything, down to its events."""
