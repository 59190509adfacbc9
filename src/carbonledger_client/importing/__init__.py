"""The import of a file: rows into items, items into batches, batches to the server, and what became of each row."""
