"""From what a provider answered to token buckets: its usage object, or a whole response, plain or streamed.

``flavours`` says where each provider keeps its counts, as data; ``counting`` makes buckets of them that do not overlap;
``documents`` reads the text; ``responses`` finds the usage in it and judges whether it is whole.
"""

from __future__ import annotations

from carbonledger.domains.telemetry.core.bodies.reading import Note, OtherUsage, Outcome, Reading, UsageUnreadable
from carbonledger.domains.telemetry.core.bodies.responses import read_response, read_usage

__all__ = ["Note", "OtherUsage", "Outcome", "Reading", "UsageUnreadable", "read_response", "read_usage"]
