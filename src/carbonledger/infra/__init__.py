"""Machinery without business rules: settings, database, queue, outbox, clock, crypto, HTTP, objects, observation."""
