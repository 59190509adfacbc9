"""Files into rows, in constant memory: plain or gzip, a table or JSON, from disk or from stdin."""
