"""Carbon Ledger, the server: one ledger of AI usage with its cost, its emissions, its invoices and its proof."""

__version__ = "0.1.0"
