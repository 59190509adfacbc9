"""What keeps the house in order: import contracts, house lint rules, documentation checks and the parts of dev.py.

Nothing here is shipped; the product never imports it.
"""
