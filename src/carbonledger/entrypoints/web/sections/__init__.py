"""One folder for each section of the dashboard: its pages, its templates. The navigation's entry is in ``navigation``."""
