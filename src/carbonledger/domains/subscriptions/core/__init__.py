"""What follows from facts: standings, cycles, due charges, and what a wish adds to them."""
