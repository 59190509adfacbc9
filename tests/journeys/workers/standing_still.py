"""A worker process that stands still in the middle of one step, to be killed there: the product's own worker, with one function wrapped.

``STAND_STILL_AT`` names it, as ``module:function``. Its first call of the process does all that it does, writes the file that
``STAND_STILL_FILE`` names, and then waits for ever, inside the transaction that it was called in.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from carbonledger.entrypoints.worker import main

if __name__ == "__main__":
    module_name, _, name = os.environ["STAND_STILL_AT"].partition(":")
    module = importlib.import_module(module_name)
    real: Callable[..., Awaitable[Any]] = getattr(module, name)

    async def stands_still(*arguments: object, **named: object) -> object:
        """Do it, say so, and wait."""
        await real(*arguments, **named)
        Path(os.environ["STAND_STILL_FILE"]).touch()
        return await asyncio.Event().wait()

    setattr(module, name, stands_still)
    sys.exit(main.main())
