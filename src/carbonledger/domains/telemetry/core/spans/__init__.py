"""From OpenTelemetry spans to drafts of telemetry events.

``names`` says which attributes are read, as data; ``calls`` reads one span; ``nesting`` finds spans that tell the same call twice.
Nothing that is not named there leaves a span: prompts, answers and tools' arguments are never looked at.
"""

from __future__ import annotations

from carbonledger.domains.telemetry.core.spans.nesting import read_spans

__all__ = ["read_spans"]
