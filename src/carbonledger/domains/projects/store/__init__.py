"""Every SQL statement of projects, by table: ``projects``, ``workloads``, ``agents``; ``lookups`` for ingest."""
