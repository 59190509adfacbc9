"""Shapes that many operations share: the bases of what comes in and goes out, lists, queued work, problems.

Each area's own shapes stand beside its routes. Inputs refuse fields they don't know, because a misspelt field that is ignored does
something other than what was asked.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler

from carbonledger.entrypoints.rest import instants
from carbonledger.kernel import page

T = TypeVar("T")


class In(BaseModel):
    """What a caller sends. Types are those of JSON: ``"1"`` is not a number. Every field states its bound."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:  # noqa: ANN401 - pydantic's own
        return instants.strict(handler(source))


class Out(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListOut(Out, Generic[T]):
    """A page of a list, and the cursor that continues it (null at the end)."""

    data: list[T]
    next_cursor: str | None = Field(
        max_length=page.CURSOR_MAX_CHARS, examples=[None], description="Give it as `cursor` to get the next page."
    )


class Accepted(Out):
    """Work that was queued."""

    job_id: UUID
    status_url: str = Field(max_length=500, description="Where the job's state and progress are.")


class ProblemItem(Out):
    """One thing wrong with an input."""

    pointer: str = Field(
        description="RFC 6901 pointer into the body; for a parameter, `/query/name`, `/path/name` or `/header/name`.",
    )
    code: str = Field(description="Stable name of what is wrong.")
    detail: str = Field(description="The same for a person.")


class Problem(BaseModel):
    """Why a request was not done (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        json_schema_extra={
            "example": {
                "type": "urn:carbonledger:problem:request_invalid",
                "title": "One or more fields or parameters are not valid.",
                "status": 422,
                "detail": "String should have at least 1 character",
                "code": "request_invalid",
                "request_id": "0b6e7c1d9f1e4c0c8a0d4e5f60718293",
                "errors": [{"pointer": "/label", "code": "string_too_short", "detail": "String should have at least 1 character"}],
            }
        },
    )

    type: str = Field(description="URN of the code.")
    title: str = Field(description="What the code means.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    detail: str = Field(description="What happened here, and what to do next.")
    code: str = Field(description="Stable name of the failure.")
    request_id: str = Field(description="The request's id, as in `X-Request-Id`.")
    errors: list[ProblemItem] | None = Field(default=None, description="All that is wrong with the input.")
