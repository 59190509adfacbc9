"""Words of accounts: who is billed, how an invoice reaches and addresses them, and what can go wrong.

An account is a customer of the organization. Telemetry knows it by its ``external_id``: usage that carries this label is its usage. What an
account has been billed stays when it is deleted, and when the personal data of its people is erased.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from carbonledger.kernel import errors

NAME_MAX_CHARS: Final = 200
EXTERNAL_ID_MAX_CHARS: Final = 200  # as long as the label that telemetry takes
EMAIL_MAX_CHARS: Final = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets
LINE_MAX_CHARS: Final = 200
POSTAL_CODE_MAX_CHARS: Final = 20
TAX_ID_MAX_CHARS: Final = 50
TAX_IDS_MAX: Final = 10
METADATA_MAX: Final = 50
METADATA_KEY_MAX_CHARS: Final = 40
METADATA_VALUE_MAX_CHARS: Final = 500
PAYMENT_TERMS_MAX_DAYS: Final = 365


class Locale(enum.Enum):
    """The language in which an account's documents are written, with its dates and numbers."""

    EN = "en"
    DE = "de"
    FR = "fr"


class TaxTreatment(enum.Enum):
    """Which tax an account's invoices bear."""

    STANDARD = "standard"  # the rates of what is billed
    EXEMPT = "exempt"  # none, and the document says so
    REVERSE_CHARGE = "reverse_charge"  # none: the recipient owes it, and the document says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address. ``country`` is a code of ISO 3166-1; what is not known is None."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    postal_code: str | None = None
    region: str | None = None
    country: str | None = None


NOWHERE: Final = Address()
"""Of an account whose address is not known."""


@dataclass(frozen=True, slots=True)
class TaxId:
    """A number under which a tax office knows the account, such as ``eu_vat`` ``DE123456789``. Printed, never checked with an office."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A billed customer. ``external_id`` is the caller's own and unique among accounts that are not deleted.

    ``currency`` (ISO 4217) is what an invoice is in when nothing else says: a plan has its own. ``time_zone`` (IANA) says when its days and
    billing periods begin. ``payment_terms_days`` (0 to 365): how long after issue an invoice is due. ``erased_at``: when the personal data
    (``PERSONAL``) was taken out.
    """

    id: UUID
    external_id: str | None
    name: str
    email: str | None = None
    currency: str
    time_zone: str
    locale: Locale = Locale.EN
    address: Address = NOWHERE
    tax_ids: tuple[TaxId, ...] = ()
    tax_treatment: TaxTreatment = TaxTreatment.STANDARD
    payment_terms_days: int = 30
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    erased_at: datetime | None = None


PERSONAL: Final = ("name", "email", "address", "tax_ids", "metadata")
"""What may be about a person. It never stands in an event, and an erasure takes it out; documents that were issued keep their own copy."""
ERASED_NAME: Final = "Erased"
"""What an account is called once its personal data is erased."""


class AccountsFault(errors.Fault):
    """Something about accounts does not fit."""

    kind = errors.Kind.CONFLICT
    code = "accounts"


class AccountNotFound(AccountsFault):
    """There is no such account."""

    kind = errors.Kind.NOT_FOUND
    code = "account_not_found"


class AccountExternalIdTaken(AccountsFault):
    """Another account has this external id."""

    code = "account_external_id_taken"


class AccountDeleted(AccountsFault):
    """The account is deleted: its history stays, and nothing new comes to it."""

    code = "account_deleted"


class AccountInUse(AccountsFault):
    """The account is still in use."""

    code = "account_in_use"


class AccountNotDeleted(AccountsFault):
    """Personal data is erased of a deleted account only."""

    code = "account_not_deleted"
