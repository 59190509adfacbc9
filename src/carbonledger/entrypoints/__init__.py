"""The edges: HTTP, worker, command line. They open the unit of work, translate, and hold no SQL and no arithmetic."""
