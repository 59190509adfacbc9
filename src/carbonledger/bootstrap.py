"""Wires the parts together: the only place that picks adapters and passes them into services.

Owns: what a process holds while it runs. How its database is reached is ``infra.reach``.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from carbonledger.adapters import anthropic, aws, clerk, email, invoice_pdf, jwks, openai, openrouter, parquet, pdf, stripe_climate
from carbonledger.domains.connections import types as connections_types
from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.invoices.types import printing as invoice_printing
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.receipts.types import ports as receipts_ports
from carbonledger.domains.receipts.types import printing
from carbonledger.domains.telemetry.types import exports as export_types
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import crypto, db, http, limits, mail, notify, objects, opening, passwords, reach, settings
from carbonledger.infra.observe import metrics


@dataclass(frozen=True, slots=True)
class Services:
    """What an edge needs to run use cases: made once for each process."""

    settings: settings.Settings
    database: db.Database
    sealer: crypto.Sealer
    outside_secrets: vault_types.SecretStore | None
    """Where secrets are kept outside the database; None: they stay sealed in it."""
    notifications: notify.Notifications
    passwords: passwords.Passwords
    limiter: limits.Limiter
    mailer: mail.Mailer | None
    """None where no mail server is configured."""
    trust: identity_types.Trust | None
    """The issuer whose JWTs are taken; None: no issuer is configured."""
    clerk: identity_types.MessageVerifier | None
    """Who signs the messages of Clerk's webhook; None: the webhook is off."""
    objects: objects.Objects
    connectors: Mapping[str, connections_types.Connector]
    """What reads the usage of accounts at a provider, by the provider's name."""
    parquet: export_types.Tables
    """Who writes Parquet tables."""
    printer: printing.ReceiptPrinter
    invoice_printer: invoice_printing.InvoicePrinter
    credit_seller: receipts_ports.CreditSeller | None
    """Who sells carbon removal ahead; None: nobody is set up."""


def outside_secrets(configuration: settings.Settings) -> vault_types.SecretStore | None:
    """Return where secrets are kept outside the database, if the settings say so."""
    if configuration.vault_backend == "database":
        return None
    return aws.connect(
        prefix=configuration.aws_secrets_prefix, region=configuration.aws_region, endpoint_url=configuration.aws_endpoint_url
    )


@contextlib.asynccontextmanager
async def build(configuration: settings.Settings, addresses: reach.Addresses, *, application: str) -> AsyncIterator[Services]:
    """Open what a process needs and close it again at the end. ``application`` names the process in pg_stat_activity."""
    async with contextlib.AsyncExitStack() as stack:
        database = await opening.database(configuration, addresses, application=application)
        stack.push_async_callback(database.close)
        limiter = _limiter(configuration)
        stack.push_async_callback(limiter.close)
        yield Services(
            settings=configuration,
            database=database,
            sealer=crypto.Sealer(opening.vault_keys(configuration)),
            outside_secrets=outside_secrets(configuration),
            notifications=await stack.enter_async_context(notify.listening(addresses.app, application=application)),
            passwords=await stack.enter_async_context(passwords.opened()),
            limiter=limiter,
            mailer=_mailer(configuration),
            trust=jwks.trust(configuration, await stack.enter_async_context(http.Client("jwks", limits=jwks.client_limits()))),
            clerk=clerk.messages(configuration),
            objects=open_objects(configuration),
            connectors=_connectors(configuration, stack),
            parquet=parquet.Parquet(),
            printer=pdf.TypstPrinter(),
            invoice_printer=invoice_pdf.TypstInvoicePrinter(),
            credit_seller=credit_seller(configuration, stack),
        )


async def publish(database: db.Database, *, at: datetime) -> None:
    """Publish the price book and the factor sets of this version, in a transaction of its own. Every process does so when it starts.

    Raises ``FactorSetChanged`` where this version must not start.
    """
    async with database.transaction() as uow:
        await pricing.book_id(uow, at=at)
        await emissions.publish(uow, at=at)


def open_objects(configuration: settings.Settings) -> objects.Objects:
    """Return where files are kept: the store that the settings name, or a folder at home. Raises ``ObjectsAddressInvalid``."""
    return objects.connect(configuration.objects_url or (configuration.home / "objects").as_uri())


def _connectors(configuration: settings.Settings, stack: contextlib.AsyncExitStack) -> Mapping[str, connections_types.Connector]:
    connectors = (
        openai.connector(configuration),
        anthropic.connector(configuration),
        openrouter.connector(configuration),
    )
    for one in connectors:
        stack.push_async_callback(one.api.aclose)
    return {one.provider: one for one in connectors}


def credit_seller(configuration: settings.Settings, stack: contextlib.AsyncExitStack) -> receipts_ports.CreditSeller | None:
    """Return who sells removal ahead, closed with the stack, or None where nobody is set up."""
    seller = stripe_climate.seller(configuration)
    if seller is not None:
        stack.push_async_callback(seller.aclose)
    return seller


def _mailer(configuration: settings.Settings) -> mail.Mailer | None:
    if configuration.smtp_url is None:
        return None
    return email.SmtpMailer(crypto.SecretText(configuration.smtp_url.get_secret_value()), sender=configuration.mail_from)


def _limiter(configuration: settings.Settings) -> limits.Limiter:
    if configuration.redis_url is None:
        return limits.MemoryLimiter()
    return limits.SharedLimiter(configuration.redis_url.get_secret_value(), on_fallback=metrics.LIMITS_ALONE.inc)
