"""Models: what they cost and emit, and what usage of them would."""
