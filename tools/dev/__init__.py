"""The commands of dev.py: the private environment, the checks, and what starts from it. Standard library only."""
