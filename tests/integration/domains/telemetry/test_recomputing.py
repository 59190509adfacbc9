"""Computing anew: other versions give other amounts, the old ones are kept, and what stays the same is not touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest

from carbonledger.domains.emissions import data as emission_data
from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.telemetry.service import recomputing
from carbonledger.domains.telemetry.service.recomputing import What
from carbonledger.infra import db
from carbonledger.kernel.usage import RequestSize
from tests.integration.domains.telemetry import kit
from tests.integration.domains.telemetry.kit import accept, draft, rows, tokens

BOTH = What(costs=True, emissions=True)
EVENTS = "SELECT * FROM telemetry_events WHERE organization_id = $1 ORDER BY idempotency_key"
REVISIONS = "SELECT * FROM telemetry_revisions WHERE organization_id = $1"
ENERGY_MID = """
SELECT e.output * r.energy_wh[6] AS mid FROM telemetry_events e JOIN emission_rates r ON r.id = e.emission_rate_id
WHERE e.organization_id = $1
"""


async def all_anew(database: db.Database, organization_id: UUID, what: What = BOTH) -> tuple[int, int]:
    """Every batch in a transaction of its own; returns how many events were seen and changed."""
    place: recomputing.Place | None = recomputing.START
    seen = changed = 0
    while place is not None:
        async with database.transaction(organization_id) as uow:
            done = await recomputing.recompute(uow, at=kit.AT, organization_id=organization_id, what=what, place=place)
        seen, changed, place = seen + done.seen, changed + done.changed, done.place
    return seen, changed


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recomputing, "BATCH", 3)


@pytest.fixture
def dearer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price book of another day, in which everything costs twice as much."""
    original = pricing.book()

    class Doubled:
        version = "2026-12-31-000000000000"
        as_of = original.as_of
        source = original.source

        def price(self, usage: object, **more: object) -> object:
            cost = original.price(usage, **more)  # type: ignore[arg-type]
            return cost._replace(amount_pico=None if cost.amount_pico is None else 2 * cost.amount_pico, version=self.version)

    doubled = Doubled()
    monkeypatch.setattr(pricing, "book", lambda: doubled)


@pytest.fixture
def hungrier(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A factor set 1.1, in which a token written by a model of the medium tier takes twice as much."""
    document = json.loads(emission_data.factor_set("1.0"))
    document["version"] = "1.1"
    decode = document["tiers"]["medium"]["wh_per_1k_tokens"]["decode"]
    for bound in ("low", "mid", "high"):
        decode[bound] = 2 * decode[bound]
    packed = json.dumps(document).encode()
    original = emission_data.factor_set
    monkeypatch.setattr(emission_data, "VERSIONS", ("1.0", "1.1"))
    monkeypatch.setattr(emission_data, "factor_set", lambda version: packed if version == "1.1" else original(version))
    yield
    emissions._estimator.cache_clear()


async def test_with_the_same_versions_nothing_changes(database: db.Database, organization_id: UUID, small_batches: None) -> None:
    items = [draft(f"k{number}", counts=tokens(number, number % 7, 3 * number)) for number in range(10)]
    size = RequestSize(200_000, None)
    sized = draft("sized", provider="anthropic", model="claude-sonnet-4-5", requests=None, counts=tokens(900_000), size=size)
    await accept(database, organization_id, *items, sized, kit.metered("m", "5"))
    assert await all_anew(database, organization_id) == (11, 0), "usage, and not the metered event"
    assert await rows(database, organization_id, REVISIONS) == []


async def test_another_factor_set_gives_other_estimates_and_keeps_the_old(
    database: db.Database, organization_id: UUID, hungrier: None
) -> None:
    emissions._estimator.cache_clear()
    with pytest.MonkeyPatch.context() as before:
        before.setattr(emission_data, "VERSIONS", ("1.0",))
        await accept(database, organization_id, draft("one", counts=tokens(0, 0, 500)))
    [first] = await rows(database, organization_id, EVENTS)
    assert await all_anew(database, organization_id, What(costs=False, emissions=True)) == (1, 1)
    [now] = await rows(database, organization_id, EVENTS)
    [old] = await rows(database, organization_id, REVISIONS)
    assert (old["emission_rate_id"], old["revision"]) == (first["emission_rate_id"], 0)
    assert (now["revision"], now["cost_amount"]) == (1, first["cost_amount"])
    [energy] = await rows(database, organization_id, ENERGY_MID)
    assert energy["mid"] == Decimal("0.944"), "500 tokens x 1.6 Wh/1000 x PUE 1.18"
    await kit.rollups_equal_raw(database, organization_id)
    assert await all_anew(database, organization_id) == (1, 0), "and once is enough"


async def test_costs_are_computed_anew_only_when_asked_for(
    database: db.Database, organization_id: UUID, request: pytest.FixtureRequest
) -> None:
    await accept(database, organization_id, draft("one"), draft("two", model="no-such-model-9"))
    request.getfixturevalue("dearer")
    assert await all_anew(database, organization_id, What(costs=False, emissions=True)) == (2, 0)
    assert await all_anew(database, organization_id, BOTH) == (2, 2), "the one without a price is known by the new book, too"
    one, two = await rows(database, organization_id, EVENTS)
    assert (one["cost_amount"], two["cost_amount"]) == (Decimal("0.015"), None)
    await kit.rollups_equal_raw(database, organization_id)
