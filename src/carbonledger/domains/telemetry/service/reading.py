"""Reading usage that a provider tells in its own words; needs no database."""

from __future__ import annotations

from collections.abc import Mapping

from carbonledger.domains.telemetry.core import bodies
from carbonledger.domains.telemetry.core.bodies import reading


def usage(provider: str, told: Mapping[str, object]) -> reading.Reading:
    """Return what the usage object of a provider's answer says. Raises ``UsageUnreadable`` where it contradicts itself."""
    return bodies.read_usage(provider, told)
