"""Projects, workloads and agents: what an organization groups its usage by."""
