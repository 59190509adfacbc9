"""Words of invoices, by subject: ``invoices``, ``sellers``, ``failures``, ``printing``."""
