"""What every process of the product needs, loaded once in the server that they are forked from. Imported by nobody else."""

from __future__ import annotations

from carbonledger.entrypoints.cli import preparing, serving, working
from carbonledger.entrypoints.worker import registry

__all__ = ["preparing", "serving", "working"]

registry.load()
