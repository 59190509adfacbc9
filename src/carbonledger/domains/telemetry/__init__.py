"""The append-only ledger of AI usage: accept, price and rate, tell duplicates, revise with history, roll up, answer."""
