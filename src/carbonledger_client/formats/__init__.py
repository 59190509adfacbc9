"""The files that are understood: one module a format, each a pure function from a row to an item.

A format's ``read`` takes the members of one row (a table's cells by their heads, or a JSON object) and returns an item, or raises
``rows.Rejected`` or ``rows.Skipped``. ``expand`` opens a JSON document that holds many rows. What each column means, and where that was
found, is in docs/how-to/import-usage.md.
"""
