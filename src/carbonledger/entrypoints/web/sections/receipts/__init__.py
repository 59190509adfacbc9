"""Receipts: months as they close, what was issued of them, the credits behind it, and the check that is open to everybody."""
