"""What AI cost and emitted in a period, at a glance."""
