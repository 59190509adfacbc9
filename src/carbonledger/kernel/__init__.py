"""Pure words and arithmetic that every part shares.

Money, currency, decimals, quantity, usage, period, instant, zone, ids, errors, page, actor, secret.
"""
