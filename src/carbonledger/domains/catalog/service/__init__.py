"""The front door of the catalog: plans and their versions, meters, tax rates, and what meters say (``metering``).

``now`` is the organization's time, which rows and events carry; ``at`` the real one, from which ids are made.
"""

from __future__ import annotations

from carbonledger.domains.catalog.service.meters import archive_meter, charge_meters, create_meter, find_meter, list_meters, rename_meter
from carbonledger.domains.catalog.service.plans import (
    change_plan,
    create_plan,
    delete_plan,
    find_plan,
    find_plan_by_code,
    find_plans,
    list_plans,
    mark_plans_used,
)
from carbonledger.domains.catalog.service.taxes import (
    archive_tax_rate,
    create_tax_rate,
    find_tax_rate,
    list_tax_rates,
    rename_tax_rate,
    tax_rates_by_code,
)
from carbonledger.domains.catalog.service.versions import (
    check_version,
    find_version,
    find_versions,
    list_versions,
    version_in_force,
    versions_of_plans,
)

__all__ = [
    "archive_meter",
    "archive_tax_rate",
    "change_plan",
    "charge_meters",
    "check_version",
    "create_meter",
    "create_plan",
    "create_tax_rate",
    "delete_plan",
    "find_meter",
    "find_plan",
    "find_plan_by_code",
    "find_plans",
    "find_tax_rate",
    "find_version",
    "find_versions",
    "list_meters",
    "list_plans",
    "list_tax_rates",
    "list_versions",
    "mark_plans_used",
    "rename_meter",
    "rename_tax_rate",
    "tax_rates_by_code",
    "version_in_force",
    "versions_of_plans",
]
