"""Single events: the list behind any figure, and each with its calculation, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.service import events
from carbonledger.domains.telemetry.types import Fact, words
from carbonledger.domains.telemetry.types.answers import Calculated, Dimension, Listed
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import calculation, names, routes, screens
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web.sections.explore import asked as questions
from carbonledger.infra import db
from carbonledger.kernel import humane
from carbonledger.kernel.humane import Shown

router = routes.Router()
_READ: Final = access.scope("telemetry:read")
_COUNTS: Final = {
    "uncached_input": "Uncached input",
    "cached_input": "Cached input",
    "cache_creation_5m": "Written to cache, 5 minutes",
    "cache_creation_1h": "Written to cache, 1 hour",
    "output": "Output",
    "reasoning": "of it reasoning",
}
FACTS: Final = {
    "": "All events",
    "provisional": "Provisional",
    "estimated": "Estimated counts",
    "cost_not_covered": "Cost not covered",
    "emissions_not_covered": "Emissions not covered",
    "duplicate": "Duplicates",
}


@dataclass(frozen=True, slots=True)
class Row:
    """An event in the list."""

    listed: Listed
    tokens: Shown | None
    cost: Shown | None
    co2e: Shown | None


@router.page("/explore/events", _READ)
async def list_events(call: routing.CallDep) -> exchange.Answer:
    """Show single events."""
    fields = screens.query(call)
    chosen, asked = periods.read(call, fields), questions.read(fields)
    fact, kind = fields.text("fact") if fields.text("fact") in FACTS else "", questions.kind(fields)
    kept = {"fact": fact or None, "tokens": kind, "by": None}
    async with screens.reading(call) as uow:
        found = await events.list_events(
            uow,
            organization_id=call.caller.organization_id,
            asked=chosen.asked,
            filters=asked.filters,
            facts=Fact[fact.upper()] if fact else None,
            kind=kind,
            page=call.page(limit=50, cursor=fields.given("cursor"), parts=2),
        )
        return await screens.show(
            call,
            uow,
            "explore/events.html",
            section="explore",
            title="Events",
            chosen=chosen,
            asked=asked,
            rows=_rows(found.data),
            next_cursor=found.next_cursor,
            facts=FACTS,
            fact=fact,
            kind=kind,
            chips=await _chips(call, uow, chosen, asked, kept=kept),
            again=asked.address(chosen, "/explore/events", **kept),
        )


async def _chips(
    call: routing.Call, uow: db.UnitOfWork, chosen: periods.Chosen, asked: questions.Asked, *, kept: Mapping[str, str | None]
) -> list[tuple[str, str, str]]:
    """Return the filters in force: what, which, and the address of the events without it."""
    chips = []
    for chip in asked.chips():
        named = await names.of(uow, organization_id=call.caller.organization_id, dimension=chip.dimension, labels=[chip.label])
        address = asked.lifted(chip).address(chosen, "/explore/events", **kept)
        chips.append((questions.WORDS[chip.dimension.value], named[chip.label], address))
    if (kind := kept["tokens"]) is not None:
        chips.append(("Tokens", questions.KIND_WORDS[kind], asked.address(chosen, "/explore/events", **{**kept, "tokens": None})))
    return chips


def _rows(found: Sequence[Listed]) -> list[Row]:
    return [
        Row(
            listed=one,
            tokens=None if not any(_tokens(one)) else humane.COUNT.show(humane.together(_tokens(one))),
            cost=None if one.event.cost_amount is None else humane.USD.show(one.event.cost_amount),
            co2e=None if one.co2e_g is None else humane.CO2E.show_range(one.co2e_g),
        )
        for one in found
    ]


def _tokens(one: Listed) -> list[int | None]:
    return [getattr(one.event.tokens, name) for name in _COUNTS if name != "reasoning"]


@router.page("/explore/events/{event_id}", _READ)
async def show_event(call: routing.CallDep, event_id: UUID) -> exchange.Answer:
    """Show an event with its calculation."""
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await events.find_event(uow, organization_id=organization_id, event_id=event_id)
        series = found.listed.event.series
        places = ((Dimension.PROJECT, series.project_id), (Dimension.WORKLOAD, series.workload_id), (Dimension.AGENT, series.agent_id))
        named = {
            dimension.value: (await names.of(uow, organization_id=organization_id, dimension=dimension, labels=[label]))[label]
            for dimension, label in places
            if label is not None
        }
        return await screens.show(
            call,
            uow,
            "explore/event.html",
            section="explore",
            title="Event",
            found=found,
            event=found.listed.event,
            counts=_counts(found),
            facts=words(found.listed.event.facts),
            places=named,
            cost_steps=found.cost_steps,
            emission_steps=calculation.steps(found.emission_steps),
            envelope=found.envelope,
        )


def _counts(found: Calculated) -> list[tuple[str, Shown | None]]:
    tokens = found.listed.event.tokens
    counts = [(said, getattr(tokens, name)) for name, said in _COUNTS.items()]
    return [(said, None if count is None else humane.COUNT.show(count, step=humane.COUNT.steps[0])) for said, count in counts]
