"""What an account may hold, what is told of it, and what is left of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.accounts import types
from carbonledger.domains.accounts.core import accounts as core
from carbonledger.domains.accounts.types import Account, Address, TaxId
from carbonledger.kernel import errors

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ACCOUNT = Account(id=UUID(int=1), external_id="c-1", name="Ann Lee", currency="EUR", time_zone="UTC", created_at=NOW, updated_at=NOW)


def problems(**values: Any) -> list[tuple[str, str]]:
    with pytest.raises(errors.Invalid) as caught:
        core.checked(replace(ACCOUNT, **values))
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "values, found",
    [
        ({"name": " "}, [("/name", "required")]),
        ({"name": "a\nb"}, [("/name", "characters")]),
        ({"name": "a" * 201}, [("/name", "too_long")]),
        ({"external_id": ""}, [("/external_id", "required")]),
        ({"email": "ann"}, [("/email", "email_invalid")]),
        ({"email": "ann@localhost"}, [("/email", "email_invalid")]),  # of one label: no mail from elsewhere arrives there
        ({"email": "a@b@example.com"}, [("/email", "email_invalid")]),
        ({"email": "ann lee@example.com"}, [("/email", "email_invalid")]),
        ({"email": f"ann@{'a' * 250}.de"}, [("/email", "too_long")]),
        ({"currency": "EURO"}, [("/currency", "currency_unknown")]),
        ({"currency": "XAU"}, [("/currency", "currency_unknown")]),  # gold has no minor unit
        ({"time_zone": "CEST"}, [("/time_zone", "zone_unknown")]),
        ({"time_zone": "../etc/passwd"}, [("/time_zone", "zone_unknown")]),
        ({"payment_terms_days": -1}, [("/payment_terms_days", "out_of_range")]),
        ({"payment_terms_days": 366}, [("/payment_terms_days", "out_of_range")]),
        ({"address": Address(country="Germany")}, [("/address/country", "country_unknown")]),
        ({"address": Address(postal_code="1" * 21)}, [("/address/postal_code", "too_long")]),
        ({"tax_ids": (TaxId("vat", "1"),)}, [("/tax_ids/0/kind", "kind_invalid")]),
        ({"tax_ids": (TaxId("eu_vat", "DE1"), TaxId("eu_vat", " DE1 "))}, [("/tax_ids/1", "duplicate")]),
        ({"tax_ids": (TaxId("eu_vat", "DE1"),) * 11}, [("/tax_ids", "too_many")]),
        ({"metadata": {"": "x"}}, [("/metadata/", "required")]),
        ({"metadata": {"a/b~": "x\0"}}, [("/metadata/a~1b~0", "characters")]),  # RFC 6901, section 3
        ({"metadata": {"a" * 41: "x"}}, [("/metadata/" + "a" * 41, "too_long")]),
        ({"metadata": {"a": "x" * 501}}, [("/metadata/a", "too_long")]),
        ({"metadata": {str(n): "" for n in range(51)}}, [("/metadata", "too_many")]),
    ],
)
def test_what_no_account_may_hold_is_named(values: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert problems(**values) == found


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = problems(name="", email="x", currency="?", time_zone="?", payment_terms_days=999, address=Address(country="?"))
    assert {pointer for pointer, _ in found} == {
        "/name",
        "/email",
        "/currency",
        "/time_zone",
        "/payment_terms_days",
        "/address/country",
    }


@pytest.mark.parametrize(
    "values",
    [
        {"email": "ann.lee+billing@mail.example.co.uk"},
        {"name": "שלום עולם"},  # written from right to left
        {"metadata": {"empty": ""}},
        {"payment_terms_days": 0},
        {"time_zone": "Australia/Lord_Howe", "currency": "KWD"},
        {"address": Address(line1="1 Main St", country="AQ")},
    ],
)
def test_what_an_account_may_hold_stays_as_it_is(values: dict[str, Any]) -> None:
    account = replace(ACCOUNT, **values)
    assert core.checked(account) == account


def test_an_event_says_that_something_personal_changed_and_never_what() -> None:
    new = replace(ACCOUNT, name="Ben", email="ben@example.com", currency="USD", metadata={"vip": "yes"})
    names = core.differences(ACCOUNT, new)
    assert names == ("name", "email", "currency", "metadata")
    assert core.told(new, names) == {"personal": ["name", "email", "metadata"], "currency": "USD"}


def test_every_text_of_a_person_is_personal_or_an_identifier() -> None:
    everything = replace(
        ACCOUNT,
        name="Ann Lee",
        email="ann@example.com",
        address=Address(line1="Her street"),
        tax_ids=(TaxId("de_stnr", "12/345"),),
        metadata={"mother": "Eve"},
    )
    said = repr(core.told(everything, ("external_id", *types.PERSONAL)))
    assert not [word for word in ("Ann", "ann@", "street", "12/345", "Eve") if word in said]


def test_personal_data_of_who_is_still_billed_stays() -> None:
    with pytest.raises(types.AccountNotDeleted):
        core.erased(ACCOUNT, now=NOW)


def test_an_erased_account_has_nothing_personal_and_all_else() -> None:
    gone = replace(ACCOUNT, email="a@example.com", deleted_at=NOW, metadata={"a": "b"}, address=Address(city="Berlin"))
    erased = core.erased(gone, now=NOW)
    assert erased == replace(ACCOUNT, name="Erased", deleted_at=NOW, erased_at=NOW)


def test_an_account_that_something_is_live_for_stays() -> None:
    core.refuse_in_use({"subscriptions": 0})
    with pytest.raises(types.AccountInUse, match="2 subscriptions") as caught:
        core.refuse_in_use({"subscriptions": 2, "wallets": 0})
    assert caught.value.extra == {"uses": {"subscriptions": 2}}
