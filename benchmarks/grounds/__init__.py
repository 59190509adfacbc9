"""What several benchmarks stand on: an installation of its own, and a ledger of any size."""
