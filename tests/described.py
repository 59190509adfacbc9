"""The OpenAPI document for tests: made once a process, as it takes a second, and given to each as its own copy."""

from __future__ import annotations

import functools
import json
from typing import Any

from carbonledger.entrypoints.rest import openapi


def document() -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(_written())
    return copied


@functools.cache
def _written() -> str:
    return json.dumps(openapi.document())
