"""Receipts, the log and bundles as published formats: made, read, verified and audited.

Owns canonical form, signatures, Merkle trees, statements, leaves and bundles, and what makes them valid. It does no IO, reads no clock and
imports no server code, so an auditor can install it alone: ``verify.file`` checks a file, ``audit.audit`` a whole log.
"""
