"""What can go wrong between us and a provider whose usage we read. Docstrings are public messages.

    ProviderFault
    ├── KeyRefused              401: not a key, or no longer one                                permanent   ends the poll
    ├── KeyInsufficient         a key of the wrong kind, or one that may not read usage         permanent   the key is asked about
    ├── StreamRefused           this part of the usage is not for this key or account           permanent   left out, no failure
    ├── RequestRefused          any other 4xx: what we ask for has changed over there           permanent   set aside
    ├── ProviderLimited         429, with the seconds that it asks us to wait                   transient   ends the poll
    ├── ProviderUnavailable     no answer in time, no connection, 408, 503                      transient   the key is asked about
    │                           the same with ``answered``: another 5xx, of that address        transient   set aside
    ├── RowsRefused             the ledger does not take what was read                          transient   set aside
    └── AnswerUnreadable        an answer that is not what was asked for                        transient   set aside
        ├── BucketWidthWrong, BucketMisplaced, RowRepeated, ModelMissing
        ├── CountInvalid, CountsContradict, TotalsDisagree
        └── PageRepeated, CursorLooped, PagesTooMany, AnswerIncomplete

    ConnectionNotFound, ConnectionDuplicate, ConnectionStopped, SyncTooSoon, ProviderUnknown, KeyUnusable
    AccountConnected, AccountDiffers
                                what is asked of us does not fit
    ConnectionChanged           the key was replaced or the connection deleted while it was read: what was read is dropped

The last column says what a fault of one stream means for the others in the same poll (``core.outcomes.reach``). Set aside: the others are
read to their end, then the poll ends with it. Where it is not clear whom it is about, the provider is asked what the key is, and what it
answers decides. Whatever comes with a time to wait (``Retry-After``) ends the poll at once.

Whether another attempt makes sense follows from the kind (``infra.retry``). An answer that can't be read may be the provider's bad day,
so it is tried again, with patience and an end. Details name members of the answer, never what they hold: it may be a secret.
"""

from __future__ import annotations

from typing import ClassVar

from carbonledger.kernel import errors
from carbonledger.kernel.errors import Kind


class ConnectionsFault(errors.Fault):
    """Something about the connection does not fit."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "connections"


class ProviderFault(ConnectionsFault):
    """The provider's usage could not be read."""

    kind = Kind.UNAVAILABLE
    code = "provider_fault"


class KeyRefused(ProviderFault):
    """The provider refuses the key."""

    kind = Kind.INVALID
    code = "provider_key_refused"


class KeyInsufficient(ProviderFault):
    """The key may not read usage."""

    kind = Kind.INVALID
    code = "provider_key_insufficient"


class StreamRefused(ProviderFault):
    """The provider does not show this part of the usage to this key."""

    kind = Kind.INVALID
    code = "provider_stream_refused"


class RequestRefused(ProviderFault):
    """The provider refuses what we ask for."""

    kind = Kind.INVALID
    code = "provider_request_refused"


class ProviderLimited(ProviderFault):
    """The provider asks us to slow down."""

    code = "provider_limited"


class ProviderUnavailable(ProviderFault):
    """The provider can't be reached now."""

    code = "provider_unavailable"

    def __init__(self, detail: str | None = None, *, retry_after_s: int | None = None, answered: bool = False) -> None:
        """``answered``: it is there, and failed at this one address."""
        super().__init__(detail, retry_after_s=retry_after_s)
        self.answered = answered


class AnswerUnreadable(ProviderFault):
    """The provider's answer can't be read."""

    code = "provider_answer_unreadable"


class BucketWidthWrong(AnswerUnreadable):
    """The provider's answer has time buckets of another width than was asked for."""

    code = "provider_bucket_width"


class BucketMisplaced(AnswerUnreadable):
    """The provider's answer has a time bucket outside the time that was asked for, twice, or out of order."""

    code = "provider_bucket_misplaced"


class RowRepeated(AnswerUnreadable):
    """The provider's answer has two rows that can't be told apart in one time bucket."""

    code = "provider_row_repeated"


class ModelMissing(AnswerUnreadable):
    """The provider's answer does not name the model, though it was asked to."""

    code = "provider_model_missing"


class CountInvalid(AnswerUnreadable):
    """The provider's answer has a number that is no count: negative, a fraction, or too large."""

    code = "provider_count_invalid"


class CountsContradict(AnswerUnreadable):
    """The provider's answer has a part that is larger than the whole, such as cached tokens above all input."""

    code = "provider_counts_contradict"


class TotalsDisagree(AnswerUnreadable):
    """The provider's counts do not add up to its own totals."""

    code = "provider_totals_disagree"


class PageRepeated(AnswerUnreadable):
    """The provider gives a page again that was read already."""

    code = "provider_page_repeated"


class CursorLooped(AnswerUnreadable):
    """The provider's pages lead in a circle."""

    code = "provider_cursor_looped"


class PagesTooMany(AnswerUnreadable):
    """The provider's pages do not end."""

    code = "provider_pages_too_many"


class AnswerIncomplete(AnswerUnreadable):
    """The provider left a part of its answer out."""

    code = "provider_answer_incomplete"


class ConnectionNotFound(ConnectionsFault):
    """There is no such connection."""

    kind = Kind.NOT_FOUND
    code = "connection_not_found"


class ConnectionDuplicate(ConnectionsFault):
    """There is a connection with this key already."""

    kind = Kind.CONFLICT
    code = "connection_duplicate"


class AccountConnected(ConnectionsFault):
    """There is a connection with this account already."""

    kind = Kind.CONFLICT
    code = "account_connected"


class AccountDiffers(ConnectionsFault):
    """The key is of another account than the connection."""

    kind = Kind.CONFLICT
    code = "account_differs"


class ConnectionStopped(ConnectionsFault):
    """The connection is stopped: it waits for a new key."""

    kind = Kind.CONFLICT
    code = "connection_stopped"


class SyncTooSoon(ConnectionsFault):
    """A connection is read at most once in five minutes on request."""

    kind = Kind.LIMITED
    code = "sync_too_soon"


class ProviderUnknown(ConnectionsFault):
    """No connector reads this provider."""

    code = "provider_unknown"


class KeyUnusable(ConnectionsFault):
    """The key can't be used."""

    code = "connection_key_unusable"


class ConnectionChanged(ConnectionsFault):
    """The connection has changed while it was read."""

    kind = Kind.CONFLICT
    code = "connection_changed"


class SyncAsked(ConnectionsFault):
    """A sync of the connection was asked for while it was read."""

    kind = Kind.CONFLICT
    code = "sync_asked"


class RowsRefused(ProviderFault):
    """The ledger does not take what the provider says."""

    code = "provider_rows_refused"
