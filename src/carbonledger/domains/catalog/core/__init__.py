"""Decisions of the catalog: what a plan, a meter and a tax rate may be. Pure."""
