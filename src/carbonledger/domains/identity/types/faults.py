"""What can go wrong in identity. Docstrings are public messages; none of them tells strangers whether an address is a user's."""

from __future__ import annotations

from typing import ClassVar

from carbonledger.kernel import errors
from carbonledger.kernel.errors import Kind


class IdentityFault(errors.Fault):
    """Something about organizations, people or credentials does not fit."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "identity"


class CredentialsMissing(IdentityFault, errors.Unauthenticated):
    """The request carries no valid credentials."""

    kind = Kind.UNAUTHENTICATED
    code = "unauthenticated"


class SignInRefused(IdentityFault, errors.Unauthenticated):
    """The e-mail address or the password is wrong."""

    kind = Kind.UNAUTHENTICATED
    code = "sign_in_refused"


class SignInLimited(IdentityFault):
    """Too many failed attempts; wait before the next one."""

    kind = Kind.LIMITED
    code = "sign_in_limited"


class EmailUnverified(IdentityFault):
    """The e-mail address must be confirmed first."""

    kind = Kind.FORBIDDEN
    code = "email_unverified"


class OrganizationUnknown(IdentityFault):
    """There is no such organization here."""

    kind = Kind.NOT_FOUND
    code = "organization_unknown"


class ExternalIdTaken(IdentityFault):
    """Another organization has this external id."""

    kind = Kind.CONFLICT
    code = "external_id_taken"


class SandboxOnly(IdentityFault):
    """Only a sandbox organization has a clock that can be moved."""

    kind = Kind.FORBIDDEN
    code = "sandbox_only"


class ClockBackwards(IdentityFault):
    """A clock moves forwards only."""

    kind = Kind.CONFLICT
    code = "clock_backwards"


class ClockMoving(IdentityFault):
    """The clock is being moved already."""

    kind = Kind.CONFLICT
    code = "clock_moving"


class ClockWaits(IdentityFault, errors.Unavailable):
    """Work of this organization has not ended yet, so its clock waits."""

    kind = Kind.UNAVAILABLE
    code = "clock_waits"


class ClockStuck(IdentityFault):
    """What is due at one instant does not come to an end."""

    kind = Kind.INVALID  # trying again would end the same way
    code = "clock_stuck"


class QuotaReached(IdentityFault):
    """The plan's limit is reached."""

    kind = Kind.PAYMENT_REQUIRED
    code = "quota_reached"


class UpgradeRequired(IdentityFault):
    """The plan does not include this."""

    kind = Kind.FORBIDDEN
    code = "upgrade_required"


class MemberUnknown(IdentityFault):
    """There is no such member."""

    kind = Kind.NOT_FOUND
    code = "member_unknown"


class AlreadyMember(IdentityFault):
    """This person is a member already."""

    kind = Kind.CONFLICT
    code = "already_member"


class LastOwner(IdentityFault):
    """An organization keeps at least one owner."""

    kind = Kind.CONFLICT
    code = "last_owner"


class RoleRefused(IdentityFault):
    """This caller may not give or take that role."""

    kind = Kind.FORBIDDEN
    code = "role_refused"


class MemberElsewhere(IdentityFault):
    """This person is a member of other organizations too, so only they can ask for erasure."""

    kind = Kind.CONFLICT
    code = "member_elsewhere"


class InvitationUnknown(IdentityFault):
    """There is no such invitation."""

    kind = Kind.NOT_FOUND
    code = "invitation_unknown"


class InvitationPending(IdentityFault):
    """This address has been invited already."""

    kind = Kind.CONFLICT
    code = "invitation_pending"


class AddressDiffers(IdentityFault):
    """The invitation is for another e-mail address than that of the signed-in user."""

    kind = Kind.FORBIDDEN
    code = "address_differs"


class UserExists(IdentityFault):
    """The invited address is a user's already. Sign in and accept the invitation there."""

    kind = Kind.CONFLICT
    code = "user_exists"


class TransitionRefused(IdentityFault):
    """This can't happen any more in the present state."""

    kind = Kind.CONFLICT
    code = "transition_refused"


class LinkUnusable(IdentityFault):
    """The link is wrong, was used already, or has run out. Ask for a new one."""

    kind = Kind.NOT_FOUND
    code = "link_unusable"


class SignUpClosed(IdentityFault):
    """Nobody can sign up here without an invitation."""

    kind = Kind.FORBIDDEN
    code = "sign_up_closed"


class UserUnknown(IdentityFault):
    """No user has this address."""

    kind = Kind.NOT_FOUND
    code = "user_unknown"


class SessionUnknown(IdentityFault):
    """There is no such session."""

    kind = Kind.NOT_FOUND
    code = "session_unknown"


class SessionOnly(IdentityFault):
    """Only a person who is signed in can do this, not a key or a token."""

    kind = Kind.FORBIDDEN
    code = "session_only"


class ApiKeyUnknown(IdentityFault):
    """There is no such API key."""

    kind = Kind.NOT_FOUND
    code = "api_key_unknown"


class ScopesExceeded(IdentityFault):
    """A key can't be given a scope that its maker does not hold."""

    kind = Kind.FORBIDDEN
    code = "scopes_exceeded"


class IssuerUnavailable(IdentityFault):
    """The keys of the token's issuer can't be fetched now."""

    kind = Kind.UNAVAILABLE
    code = "issuer_unavailable"


class WebhookOff(IdentityFault):
    """This webhook is not configured."""

    kind = Kind.NOT_FOUND
    code = "webhook_off"


class SignatureRefused(IdentityFault):
    """The webhook's signature does not fit."""

    kind = Kind.MALFORMED
    code = "signature_refused"
