"""Users: signing up, confirming an address, a new password, and what one can do about oneself.

The public operations answer 202 whether or not the address is a user's; what there is to say goes to the address.
"""

from __future__ import annotations

from pydantic import Field

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import attempts, erasure, users
from carbonledger.entrypoints.rest import people, routing, shapes
from carbonledger.entrypoints.shared import access, sign_in

router = routing.Router(prefix="/v1/auth", tag="Users")

_ACCEPTED = {"status": "accepted"}


class SignUpIn(shapes.In):
    """A person, and the organization they begin with."""

    email: people.EmailText
    name: people.NameText
    password: people.PasswordText
    organization_name: people.NameText
    time_zone: str = Field(default="UTC", max_length=100, description="Name of the IANA database.")
    currency: str = Field(default="USD", max_length=10, description="ISO 4217 code.")


class EmailIn(shapes.In):
    """An e-mail address."""

    email: people.EmailText


class TokenIn(shapes.In):
    """What a link holds."""

    token: people.TokenText


class ResetIn(shapes.In):
    """A reset link and the new password."""

    token: people.TokenText
    password: people.PasswordText


class PasswordIn(shapes.In):
    """A new password, and the present one if there is one."""

    password: people.PasswordText
    current_password: people.GivenPassword | None = None


class ProfileIn(shapes.In):
    """What to change of oneself; what is left out stays."""

    name: people.NameText | None = None
    locale: str | None = Field(default=None, max_length=100, description="Language tag, such as en or pt-BR.")


class EraseIn(shapes.In):
    """The password, if there is one, as a proof that it is you."""

    password: people.GivenPassword | None = None


class AcceptedOut(shapes.Out):
    """Received. What there is to say goes to the address."""

    status: str = Field(examples=["accepted"])


@router.post(
    "/sign-up",
    access=access.public(limit="sign_in"),
    transaction=False,
    status_code=202,
    summary="Sign up",
    operation_id="signUp",
    examples={
        "request": {"email": people.EMAIL, "name": "Ann Lee", "password": people.PASSWORD, "organization_name": "Example Ltd"},
        "response": _ACCEPTED,
    },
    errors=(types.SignUpClosed,),
)
async def sign_up(call: routing.CallDep, body: SignUpIn) -> AcceptedOut:
    """Become a user with an organization on the free tier, where the installation lets anybody do so."""
    users.require_open(call.services.settings.sign_up)
    newcomer, password = users.checked(
        email=body.email,
        name=body.name,
        password=body.password.get_secret_value(),
        organization_name=body.organization_name,
        time_zone=body.time_zone,
        currency=body.currency,
    )
    password_hash = await call.services.passwords.hash(password)
    async with call.services.database.transaction() as uow:
        await users.sign_up(
            uow,
            at=call.at,
            newcomer=newcomer,
            password_hash=password_hash,
            by_mail=call.services.mailer is not None,
            request_id=call.request_id,
        )
    return AcceptedOut(status="accepted")


@router.post(
    "/verification",
    access=access.public(limit="sign_in"),
    status_code=202,
    summary="Ask for a link that confirms an address",
    operation_id="askVerification",
    examples={"request": {"email": people.EMAIL}, "response": _ACCEPTED},
)
async def ask_verification(call: routing.CallDep, body: EmailIn) -> AcceptedOut:
    """Mail the link again, if the address is a user's and not confirmed yet."""
    return await _ask(call, body, types.LinkPurpose.VERIFY_EMAIL)


@router.post(
    "/verify-email",
    access=access.public(limit="sign_in"),
    status_code=204,
    summary="Confirm an address",
    operation_id="verifyEmail",
    examples={"request": {"token": people.TOKEN}},
    errors=(types.LinkUnusable,),
)
async def verify_email(call: routing.CallDep, body: TokenIn) -> None:
    """Use the link that was mailed at sign-up."""
    await users.verify_email(call.uow, at=call.at, token=body.token.get_secret_value(), request_id=call.request_id)


@router.post(
    "/password-reset",
    access=access.public(limit="sign_in"),
    status_code=202,
    summary="Ask for a link that sets a new password",
    operation_id="askPasswordReset",
    examples={"request": {"email": people.EMAIL}, "response": _ACCEPTED},
)
async def ask_password_reset(call: routing.CallDep, body: EmailIn) -> AcceptedOut:
    """Mail a reset link, if the address is a user's. Without a mail server the operator makes one: `carbonledger org reset-link`."""
    return await _ask(call, body, types.LinkPurpose.RESET_PASSWORD)


async def _ask(call: routing.Call, body: EmailIn, purpose: types.LinkPurpose) -> AcceptedOut:
    by_mail = call.services.mailer is not None
    await users.ask_link(call.uow, at=call.at, email=body.email, purpose=purpose, by_mail=by_mail, request_id=call.request_id)
    return AcceptedOut(status="accepted")


@router.post(
    "/password-reset/confirm",
    access=access.public(limit="sign_in"),
    transaction=False,
    status_code=204,
    summary="Set a new password by a link",
    operation_id="resetPassword",
    examples={"request": {"token": people.TOKEN, "password": people.PASSWORD}},
    errors=(types.LinkUnusable,),
)
async def reset_password(call: routing.CallDep, body: ResetIn) -> None:
    """Set the password and end all sessions. The link works once."""
    token, password = body.token.get_secret_value(), body.password.get_secret_value()
    await sign_in.reset_password(call.services, at=call.at, token=token, password=password, request_id=call.request_id)


@router.put(
    "/password",
    access=access.caller(),
    transaction=False,
    status_code=204,
    summary="Change your password",
    operation_id="changePassword",
    examples={"request": {"current_password": people.PASSWORD, "password": "another dozen quiet otters"}},
    errors=(types.SessionOnly, types.SignInRefused, types.SignInLimited),
)
async def change_password(call: routing.CallDep, body: PasswordIn) -> None:
    """Set a new password. Your other sessions end; whoever has no password yet needs no present one."""
    attempt, user = await _proven_again(call, body.current_password.get_secret_value() if body.current_password else None)
    password = users.checked_password(body.password.get_secret_value(), email=user.email or "")
    password_hash = await call.services.passwords.hash(password)
    async with call.services.database.transaction(call.caller.organization_id) as uow:
        if attempt is not None:
            await attempts.succeed(uow, attempt=attempt)
        await users.change_password(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            user_id=user.id,
            session_id=call.caller.credential_id,
            password_hash=password_hash,
        )


async def _proven_again(call: routing.Call, password: str | None) -> tuple[attempts.Attempt | None, types.User]:
    """Return the person who is signed in, after they proved their password again if they have one."""
    user_id = people.person(call)
    async with call.services.database.transaction() as uow:
        user = await users.find(uow, user_id=user_id)
        has_password = await users.has_password(uow, user_id=user_id)
    if not has_password:
        return None, user
    address = call.exchange.address
    attempt = await sign_in.proven(call.services, at=call.at, email=user.email or "", password=password or "", address=address)
    return attempt, user


@router.get(
    "/me",
    access=access.caller(),
    summary="Show yourself",
    operation_id="getMe",
    examples={"response": people.USER},
    errors=(types.SessionOnly,),
)
async def me(call: routing.CallDep) -> people.UserOut:
    """Return what is kept about you."""
    return people.to_api_user(await users.find(call.uow, user_id=people.person(call)))


@router.patch(
    "/me",
    access=access.caller(),
    summary="Change your name or language",
    operation_id="changeMe",
    examples={"request": {"name": "Ann Lee"}, "response": people.USER},
    errors=(types.SessionOnly,),
)
async def change_me(call: routing.CallDep, body: ProfileIn) -> people.UserOut:
    """Change your name or language."""
    user = await users.change_profile(
        call.uow, actor=call.actor, now=call.now, at=call.at, user_id=people.person(call), name=body.name, locale=body.locale
    )
    return people.to_api_user(user)


@router.post(
    "/me/erase",
    access=access.caller(),
    transaction=False,
    idempotent=False,
    status_code=204,
    summary="Erase yourself",
    operation_id="eraseMe",
    examples={"request": {"password": people.PASSWORD}},
    errors=(types.SessionOnly, types.SignInRefused, types.SignInLimited, types.LastOwner),
)
async def erase_me(call: routing.CallDep, body: EraseIn) -> None:
    """Leave all organizations and erase your personal data. What you did stays in the trail, under an id that leads nowhere."""
    attempt, user = await _proven_again(call, body.password.get_secret_value() if body.password else None)
    async with call.services.database.transaction(call.caller.organization_id) as uow:
        if attempt is not None:
            await attempts.succeed(uow, attempt=attempt)
        await erasure.erase(uow, actor=call.actor, at=call.at, user_id=user.id)
    people.signed_out(call)
