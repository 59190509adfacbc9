"""The one set of filters on usage: declared here, taken as ``filters.Dep`` by every operation that reads the ledger.

An operation that takes it has all of these query parameters; what a filter means is the ledger's matter.
"""

from __future__ import annotations

import enum
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.types import answers
from carbonledger.kernel import usage

ProjectId = Annotated[UUID | None, Query(description="Only usage booked to this project.")]
WorkloadId = Annotated[UUID | None, Query(description="Only usage booked to this workload.")]
AgentId = Annotated[UUID | None, Query(description="Only usage of this agent.")]
Account = Annotated[
    str | None, Query(min_length=1, max_length=types.ACCOUNT_CHARS_MAX, description="Only usage of this billed customer, by external id.")
]
Provider = Annotated[str | None, Query(min_length=1, max_length=usage.LABEL_CHARS_MAX, description="Only usage of this provider.")]
Model = Annotated[str | None, Query(min_length=1, max_length=usage.MODEL_CHARS_MAX, description="Only usage of this model.")]
Source = Annotated[types.Source | None, Query(description="Only what came this way.")]
ConnectionId = Annotated[UUID | None, Query(description="Only what this connection read.")]
Batch = Annotated[bool | None, Query(description="Only batches, or only what is none.")]
ServiceTier = Annotated[
    str | None,
    Query(min_length=1, max_length=usage.LABEL_CHARS_MAX, description="Only usage at this service tier, as its source names it."),
]
Region = Annotated[str | None, Query(min_length=1, max_length=usage.LABEL_CHARS_MAX, description="Only usage in this region.")]
Operation = Annotated[str | None, Query(min_length=1, max_length=types.NAME_CHARS_MAX, description="Only usage by this operation.")]
Missing = enum.Enum("Missing", {one.name: one.value for one in sorted(answers.WITHOUT, key=lambda one: one.value)})  # type: ignore[misc]  # made of the ledger's own list
Without = Annotated[list[Missing] | None, Query(description="Only usage that has no such thing: `agent`, `region` and others; repeatable.")]


def filters(
    *,
    project_id: ProjectId = None,
    workload_id: WorkloadId = None,
    agent_id: AgentId = None,
    account: Account = None,
    provider: Provider = None,
    model: Model = None,
    source: Source = None,
    connection_id: ConnectionId = None,
    batch: Batch = None,
    service_tier: ServiceTier = None,
    region: Region = None,
    operation: Operation = None,
    without: Without = None,
) -> answers.Filters:
    """Return the filters that an address gives."""
    return answers.Filters(
        project_id=project_id,
        workload_id=workload_id,
        agent_id=agent_id,
        account=account,
        provider=provider,
        model=model,
        source=source and source.value,
        connection_id=connection_id,
        batch=batch,
        service_tier=service_tier,
        region=region,
        operation=operation,
        without=frozenset(answers.Dimension(one.value) for one in without or ()),
    )


Dep = Annotated[answers.Filters, Depends(filters)]
