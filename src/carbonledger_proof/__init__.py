"""Verifies receipts offline: canonical form, signature, Merkle proofs.

Owns nothing but the check; it does no IO, reads no clock and imports no server code, so an auditor can install it alone.
"""
