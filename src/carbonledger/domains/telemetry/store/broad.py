"""Rows of the broad roll-up: which there are of a quarter of an hour, and making those of some time anew.

Series that agree in all but their customer, agent and workload (``core.rollup.NARROW``) are one to it, so that what it costs to ask for all
else does not grow with their number; for that it can afford quarters, and days that begin at four hours, which answer in any zone
(``core.slots``).
"""

from __future__ import annotations

from typing import Final

from carbonledger.domains.telemetry.core.slots import Grain

GRAINS: Final = (
    f"(VALUES ({Grain.QUARTER.value}::smallint, '15 minutes'::interval, '2000-01-01 00:00+00'::timestamptz),"
    f" ({Grain.HOUR.value}, '1 hour', '2000-01-01 00:00+00'), ({Grain.DAY.value}, '1 day', '2000-01-01 00:00+00'),"
    f" ({Grain.DAY_FROM_6.value}, '1 day', '2000-01-01 06:00+00'), ({Grain.DAY_FROM_12.value}, '1 day', '2000-01-01 12:00+00'),"
    f" ({Grain.DAY_FROM_18.value}, '1 day', '2000-01-01 18:00+00')) AS g (grain, step, origin)"
)
"""Every grain with how long its rows are and where one of them begins."""
