"""The ledger's front door: accept usage, look events up, answer what was used, check and rebuild the roll-ups."""
