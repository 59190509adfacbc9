"""The domains in the order of the data path; each has the same five modules (types, core, tables, store, service)."""
