"""What the ledger decides without asking anybody: identity, series, facts, sums of roll-ups, which roll-ups answer a period. Pure."""
