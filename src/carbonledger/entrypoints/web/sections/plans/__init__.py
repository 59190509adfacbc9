"""Plans, their versions, and what they would cost."""
