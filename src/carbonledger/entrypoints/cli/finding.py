"""What a check of ``doctor`` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: how it is, and what to do about it. A warning is for later, a failure is now."""

    name: str
    status: Status
    detail: str
    remedy: str = ""
