"""The telemetry ledger: every record of AI usage, told apart and kept."""
