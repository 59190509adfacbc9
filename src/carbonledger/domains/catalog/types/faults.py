"""What can go wrong with plans, meters and tax rates."""

from __future__ import annotations

from carbonledger.kernel import errors


class CatalogFault(errors.Fault):
    """Something about the catalog does not fit."""

    kind = errors.Kind.CONFLICT
    code = "catalog"


class PlanNotFound(CatalogFault):
    """There is no such plan."""

    kind = errors.Kind.NOT_FOUND
    code = "plan_not_found"


class PlanVersionNotFound(CatalogFault):
    """The plan has no such version."""

    kind = errors.Kind.NOT_FOUND
    code = "plan_version_not_found"


class PlanCodeTaken(CatalogFault):
    """Another plan has this code."""

    code = "plan_code_taken"


class PlanArchived(CatalogFault):
    """The plan is archived: those who have it keep it, and nobody else takes it."""

    code = "plan_archived"


class PlanInUse(CatalogFault):
    """The plan is in use and can't be deleted."""

    code = "plan_in_use"


class PlanNotEffective(CatalogFault):
    """The plan has no version that is effective yet."""

    code = "plan_not_effective"


class PlanInvalid(CatalogFault):
    """The plan breaks one or more rules."""

    kind = errors.Kind.INVALID
    code = "plan_invalid"


class DocumentUnreadable(CatalogFault):
    """A stored plan version can't be read."""

    kind = errors.Kind.INTERNAL
    code = "plan_document_unreadable"


class MeterNotFound(CatalogFault):
    """There is no such meter."""

    kind = errors.Kind.NOT_FOUND
    code = "meter_not_found"


class MeterCodeTaken(CatalogFault):
    """Another meter has this code."""

    code = "meter_code_taken"


class MeterInUse(CatalogFault):
    """A plan charges by this meter."""

    code = "meter_in_use"


class MeterInvalid(CatalogFault):
    """The meter breaks one or more rules."""

    kind = errors.Kind.INVALID
    code = "meter_invalid"


class TaxRateNotFound(CatalogFault):
    """There is no such tax rate."""

    kind = errors.Kind.NOT_FOUND
    code = "tax_rate_not_found"


class TaxRateCodeTaken(CatalogFault):
    """Another tax rate has this code."""

    code = "tax_rate_code_taken"


class TaxRateInUse(CatalogFault):
    """A plan charges this tax."""

    code = "tax_rate_in_use"


class TaxRateInvalid(CatalogFault):
    """The tax rate breaks one or more rules."""

    kind = errors.Kind.INVALID
    code = "tax_rate_invalid"
