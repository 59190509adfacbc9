"""What operators see of a running process: log lines (``logs``), measurements (``metrics``), traces when asked for (``tracing``).

It owns how these leave the process, not what is worth telling: each part logs and measures for itself.
"""
