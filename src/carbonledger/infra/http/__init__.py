"""Outgoing HTTP: the only way that this service calls an outside system over HTTP.

Owns time limits, bounded answers, safe repetition, the check of addresses that tenants supply, and the faults that calls end in.
It does not own any outside system's protocol (``adapters``) or the decision whether a failed job runs again (``infra.retry``).
"""

from __future__ import annotations

from carbonledger.infra.http.answer import Answer
from carbonledger.infra.http.client import Client
from carbonledger.infra.http.faults import (
    AddressRefused,
    AnswerMalformed,
    AnswerNotJson,
    AnswerRefused,
    AnswerTooLarge,
    AnswerTruncated,
    CertificateRefused,
    ConnectFailed,
    ConnectionBroke,
    HttpFault,
    RedirectRefused,
    RequestRefused,
    TimedOut,
)
from carbonledger.infra.http.guard import check_url
from carbonledger.infra.http.terms import Attempt, Guarded, Limits, Observer
from carbonledger.infra.http.transport import Resolver

__all__ = [
    "AddressRefused",
    "Answer",
    "AnswerMalformed",
    "AnswerNotJson",
    "AnswerRefused",
    "AnswerTooLarge",
    "AnswerTruncated",
    "Attempt",
    "CertificateRefused",
    "Client",
    "ConnectFailed",
    "ConnectionBroke",
    "Guarded",
    "HttpFault",
    "Limits",
    "Observer",
    "RedirectRefused",
    "RequestRefused",
    "Resolver",
    "TimedOut",
    "check_url",
]
