"""The worker process: job and event handlers, one module per domain."""
