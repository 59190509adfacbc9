"""Words of the catalog."""
