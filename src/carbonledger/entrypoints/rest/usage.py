"""Usage from one side: beside what providers say of it, and by agent."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types import answers
from carbonledger.entrypoints.rest import filters, measures, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import zone

router = routing.Router(prefix="/v1/usage", tag="Telemetry")

_ASKED: Final = (types.PeriodInvalid, zone.ZoneUnknown, answers.AnswerTooLarge)
_MODEL: Final[dict[str, Any]] = {"provider": "openai", "model": "gpt-4o", **measures.EXAMPLE, "tokens_by_source": {"connection": 1900}}
_AGENT: Final[dict[str, Any]] = {"agent_id": "01932d3c-6a7b-7c8d-9eaf-b0c1d2e3f405", **measures.EXAMPLE}


class ProviderModelOut(measures.MeasuresOut):
    """One model of a provider: ours beside what the provider says."""

    provider: str
    model: str
    tokens_by_source: dict[str, int] = Field(description="Tokens that each source told, duplicates too.")


class DuplicatedOut(shapes.Out):
    """A model whose usage of one day more than one source tells: possibly the same tokens twice."""

    provider: str
    model: str
    date: dt.date = Field(description="UTC.")
    tokens_by_source: dict[str, int]
    is_marked: bool = Field(description="Whether all but one source count as duplicates already, so that sums hold them once.")


class ProvidersOut(shapes.Out):
    """Usage by provider and model, most tokens first."""

    period: measures.PeriodOut
    totals: measures.MeasuresOut
    models: list[ProviderModelOut]
    possible_duplicates: list[DuplicatedOut] = Field(description="The latest days first, at most 1,000.")


class AgentMeasuresOut(measures.MeasuresOut):
    """Sums of one agent."""

    agent_id: UUID | None = Field(description="Null: usage of no agent.")


class AgentsOut(shapes.Out):
    """Usage by agent, most tokens first."""

    period: measures.PeriodOut
    totals: measures.MeasuresOut
    agents: list[AgentMeasuresOut]


def to_api_providers(found: answers.Providers) -> ProvidersOut:
    """Return usage by provider as callers see it."""
    return ProvidersOut(
        period=measures.to_api_period(found.asked),
        totals=measures.to_api_measures(found.totals),
        models=[
            ProviderModelOut(
                provider=one.provider, model=one.model, tokens_by_source=dict(one.tokens_by_source), **measures.measures(one.measures)
            )
            for one in found.models
        ],
        possible_duplicates=[
            DuplicatedOut(provider=one.provider, model=one.model, date=one.day, tokens_by_source=dict(one.tokens), is_marked=one.is_marked)
            for one in found.possible_duplicates
        ],
    )


@router.get(
    "/providers",
    access=access.scope("telemetry:read"),
    summary="Compare usage with providers",
    operation_id="getProviderUsage",
    examples={
        "response": {
            "period": measures.PERIOD_EXAMPLE,
            "totals": measures.EXAMPLE,
            "models": [_MODEL],
            "possible_duplicates": [
                {
                    "provider": "openai",
                    "model": "gpt-4o",
                    "date": "2026-11-25",
                    "tokens_by_source": {"connection": 1900, "otlp": 1900},
                    "is_marked": False,
                }
            ],
        }
    },
    errors=_ASKED,
)
async def get_provider_usage(
    call: routing.CallDep,
    *,
    start: measures.From = None,
    end: measures.To = None,
    project_id: filters.ProjectId = None,
    provider: filters.Provider = None,
) -> ProvidersOut:
    """Return usage by provider and model: our cost beside the provider's own and their difference, the tokens that each source told, and
    days on which more than one source told of the same model, which may be the same tokens twice.
    """
    found = await answering.providers(
        call.uow,
        organization_id=call.caller.organization_id,
        asked=measures.asked(call, start, end),
        filters=answers.Filters(project_id=project_id, provider=provider),
    )
    return to_api_providers(found)


@router.get(
    "/agents",
    access=access.scope("telemetry:read"),
    summary="Show usage by agent",
    operation_id="getAgentUsage",
    examples={"response": {"period": measures.PERIOD_EXAMPLE, "totals": measures.EXAMPLE, "agents": [_AGENT]}},
    errors=_ASKED,
)
async def get_agent_usage(
    call: routing.CallDep,
    *,
    start: measures.From = None,
    end: measures.To = None,
    project_id: filters.ProjectId = None,
    provider: filters.Provider = None,
) -> AgentsOut:
    """Return usage by agent, most tokens first; usage of no agent is a row of its own."""
    found = await answering.breakdown(
        call.uow,
        organization_id=call.caller.organization_id,
        asked=measures.asked(call, start, end),
        filters=answers.Filters(project_id=project_id, provider=provider),
        group_by=[answers.Dimension.AGENT],
    )
    return AgentsOut(
        period=measures.to_api_period(found.asked),
        totals=measures.to_api_measures(found.totals),
        agents=[
            AgentMeasuresOut(agent_id=label if isinstance(label, UUID) else None, **measures.measures(group.measures))
            for group in found.groups
            for label in group.labels
        ],
    )
