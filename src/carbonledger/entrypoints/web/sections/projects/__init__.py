"""Projects: what usage is grouped by."""
