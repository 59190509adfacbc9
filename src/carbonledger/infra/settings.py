"""Every setting of an installation: typed, read once from the environment, passed on from ``bootstrap``.

``.env.example`` lists each variable with its meaning; a test compares the two. An unknown ``CARBONLEDGER_`` variable is named in
a warning, because a misspelt limit is worse than a missing one. Values that are secret are ``SecretStr`` and never print.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from carbonledger.kernel import errors

PREFIX = "CARBONLEDGER_"
# Read by dev.py, the tests, the supervisor tree or the user commands, not by the service: known, though no field here.
_OUTSIDE = frozenset(
    {"CARBONLEDGER_VENV", "CARBONLEDGER_CI", "CARBONLEDGER_CHILD", "CARBONLEDGER_DEMO_URL", "CARBONLEDGER_URL", "CARBONLEDGER_API_KEY"}
)

Words = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list."""


def _default_home() -> Path:
    """Return the data folder of whoever starts the service.

    Root's database runs as another user, who can't pass through root's own home (0700 everywhere), so root's data is the system's.
    """
    own = Path.home()
    if os.geteuid() == 0 and not all(folder.stat().st_mode & stat.S_IXOTH for folder in (own, *own.parents) if folder.exists()):
        return Path("/var/lib/carbonledger")
    return own / ".carbonledger"


class SettingsInvalid(errors.Fault):
    """The configuration is not usable."""

    kind = errors.Kind.INVALID
    code = "settings_invalid"


class Settings(BaseSettings):
    """The installation's configuration. Field names are the variable names without the prefix, in lower case."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    # --- where it lives and listens
    home: Path = Field(default_factory=_default_home, description="Data folder: database, keys, objects.")
    host: str = Field(default="127.0.0.1", max_length=255, description="Address the API listens on.")
    port: int = Field(default=8400, ge=0, le=65535, description="Port the API listens on; 0 lets the system choose.")
    public_url: str | None = Field(default=None, max_length=500, description="Address people use; https turns on Secure cookies and HSTS.")
    environment: Literal["development", "production"] = Field(default="development", description="Production refuses laptop defaults.")
    trusted_proxies: Words = Field(default=(), description="Peers (addresses or networks) whose X-Forwarded-For is believed.")
    cors_origins: Words = Field(default=(), description="Origins of a dashboard on another address; none by default.")

    # --- first start
    bootstrap_email: str | None = Field(default=None, max_length=254, description="E-mail of the first owner.")
    bootstrap_password: SecretStr | None = Field(default=None, description="Password of the first owner; else a one-time link is printed.")
    bootstrap_api_key: SecretStr | None = Field(
        default=None,
        description="A first key of the house organization with all scopes: cl_live_ and 32 to 64 letters or digits.",
    )

    # --- database
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "CARBONLEDGER_DATABASE_URL"),
        description="A PostgreSQL 15 to 18 server (role that owns the schema) instead of the embedded one.",
    )
    app_database_url: SecretStr | None = Field(
        default=None, description="The same server for the running service: a login that is a member of carbonledger_app and owns nothing."
    )
    database_pool_size: int = Field(default=10, ge=1, le=500, description="Connections per process.")
    postgres_bin: Path | None = Field(
        default=None, description="Folder of PostgreSQL programs for the embedded server, instead of the wheel's."
    )
    postgres_listen: Literal["socket", "tcp"] = Field(default="socket", description="How the embedded server is reached.")
    postgres_port: int | None = Field(default=None, ge=1, le=65535, description="Port of the embedded server when it listens on tcp.")
    postgres_user: str | None = Field(default=None, max_length=32, description="System user that root hands the embedded server to.")
    postgres_settings: Words = Field(default=(), description="Settings of the embedded server: name=value, comma-separated.")

    # --- secrets
    vault_backend: Literal["database", "aws"] = Field(default="database", description="Where sealed secrets are kept.")
    vault_keys: SecretStr | None = Field(default=None, description="Fernet keys, newest first, separated by commas; else the key file.")
    vault_keys_file: Path | None = Field(default=None, description="Key file; default HOME/secrets/vault.keys, made on first start.")
    aws_secrets_prefix: str = Field(default="carbonledger/", max_length=200, description="Name prefix in AWS Secrets Manager.")
    aws_region: str | None = Field(default=None, max_length=50, description="Region of AWS Secrets Manager.")
    aws_endpoint_url: str | None = Field(default=None, max_length=500, description="Another address of AWS Secrets Manager.")

    # --- shared limits, objects, mail
    redis_url: SecretStr | None = Field(default=None, description="Redis for limits that replicas share; else each process counts alone.")
    objects_url: str | None = Field(
        default=None, max_length=500, description="Object store: file:///… or s3://bucket/prefix; default HOME/objects."
    )
    smtp_url: SecretStr | None = Field(
        default=None, description="smtp://user:password@host:587 (STARTTLS), smtps://host:465 or smtp+plain://host:25."
    )
    mail_from: str = Field(default="Carbon Ledger <no-reply@localhost>", max_length=320, description="Sender of e-mail.")

    # --- people and outside identity
    sign_up: Literal["open", "invite", "off"] = Field(default="invite", description="Who may make an account.")
    jwt_issuer: str | None = Field(default=None, max_length=500, description="Issuer whose JWTs are accepted.")
    jwt_jwks_url: str | None = Field(default=None, max_length=500, description="Its key set; default ISSUER/.well-known/jwks.json.")
    jwt_audience: str | None = Field(default=None, max_length=500, description="Audience a JWT must name; needed with an issuer.")
    jwt_algorithms: Words = Field(default=("RS256", "ES256", "EdDSA"), description="Signature algorithms accepted.")
    jwt_organization_claim: str = Field(
        default="org_id", max_length=100, description="Claim that holds the organization's id or external id."
    )
    clerk_webhook_secret: SecretStr | None = Field(default=None, description="whsec_… of Clerk's webhook endpoint.")

    # --- outside systems (the operator's own choice, so private addresses are fine)
    openai_url: str = Field(default="https://api.openai.com", max_length=500, description="OpenAI.")
    anthropic_url: str = Field(default="https://api.anthropic.com", max_length=500, description="Anthropic.")
    openrouter_url: str = Field(default="https://openrouter.ai", max_length=500, description="OpenRouter.")
    stripe_url: str = Field(default="https://api.stripe.com", max_length=500, description="Stripe.")
    stripe_climate_key: SecretStr | None = Field(
        default=None, description="Key of your own Stripe account that may order climate products; else no removal can be ordered ahead."
    )
    allow_private_webhooks: bool = Field(
        default=False, description="Lets tenants' webhook endpoints be on private networks (laptops only)."
    )

    # --- limits
    rate_free_per_s: int = Field(default=100, ge=1, description="Requests a second of an organization on the free tier.")
    rate_paid_per_s: int = Field(default=500, ge=1, description="Requests a second on starter, growth and scale.")
    rate_sign_in_per_min: int = Field(default=60, ge=1, description="Sign-ins and receipt checks a minute from one address.")
    rate_public_per_min: int = Field(default=6000, ge=1, description="Cacheable public reads a minute from one address.")
    rate_verify_per_min: int = Field(default=60, ge=1, description="Receipts a minute that one address may ask for by their serials.")
    body_limit_bytes: int = Field(default=10 * 2**20, ge=1024, description="Largest request body, also after inflation.")
    ingest_body_limit_bytes: int = Field(default=32 * 2**20, ge=1024, description="The same for ingest.")

    # --- jobs
    workers: int = Field(default=0, ge=0, le=64, description="Worker processes that `up` starts; 0: one for each processor, at most 4.")
    worker_concurrency: int = Field(default=8, ge=1, le=500, description="Jobs at once in one worker.")
    job_attempts_max: int = Field(default=8, ge=1, le=100, description="Attempts before a job is parked.")

    # --- observation
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least severity that is logged.")
    log_format: Literal["auto", "json", "console"] = Field(default="auto", description="auto: console on a terminal, JSON elsewhere.")
    metrics_token: SecretStr | None = Field(
        default=None, description="Bearer token that /metrics asks for; else only loopback may read it."
    )
    otel_endpoint: str | None = Field(default=None, max_length=500, description="OTLP/HTTP endpoint; tracing is off without it.")

    @field_validator("trusted_proxies", "cors_origins", "postgres_settings", "jwt_algorithms", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("bootstrap_api_key")
    @classmethod
    def _key_shape(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            body = value.get_secret_value().removeprefix("cl_live_")
            whole = value.get_secret_value().startswith("cl_live_") and 32 <= len(body) <= 64 and body.isascii() and body.isalnum()  # noqa: PLR2004
            if not whole:
                message = "must be cl_live_ followed by 32 to 64 letters or digits"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _issuer_needs_audience(self) -> Settings:
        if self.jwt_issuer and not self.jwt_audience:
            message = "CARBONLEDGER_JWT_ISSUER needs CARBONLEDGER_JWT_AUDIENCE: without it any token of that issuer would be accepted"
            raise ValueError(message)
        return self

    @property
    def postgres_dir(self) -> Path:
        """Folder of the embedded database."""
        return self.home / "postgres"

    @property
    def secrets_dir(self) -> Path:
        """Folder of the keys that no dump holds."""
        return self.home / "secrets"

    @property
    def vault_keys_path(self) -> Path:
        """File of the keys that seal secrets."""
        return self.vault_keys_file or self.secrets_dir / "vault.keys"

    @property
    def address(self) -> str:
        """The address people use."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def is_https(self) -> bool:
        """Whether people reach the service over TLS."""
        return self.address.startswith("https://")


def variables() -> dict[str, str]:
    """Return every environment variable the service reads, with its meaning, in the order of the fields."""
    names = {}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = str(alias.choices[0]) if isinstance(alias, AliasChoices) else PREFIX + name.upper()
        names[variable] = field.description or ""
    return names


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the ``CARBONLEDGER_`` variables that nothing reads, each with the known name it most resembles."""
    known = {*variables(), PREFIX + "DATABASE_URL", *_OUTSIDE}
    strange = sorted(name for name in environ if name.startswith(PREFIX) and name not in known and not name.startswith(PREFIX + "TEST_"))
    # Compared without the prefix: what all have in common would make any two alike.
    bare = {name.removeprefix(PREFIX): name for name in sorted(known, key=lambda name: name.startswith(PREFIX))}
    close = {name: difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1) for name in strange}
    return {name: bare[found[0]] if found else None for name, found in close.items()}


def load(**overrides: object) -> Settings:
    """Read the settings from the environment. Raises ``SettingsInvalid`` that names each wrong variable, never its value."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # the fields check the types
    except ValidationError as error:
        lines = [f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_input=False, include_url=False)]
        raise SettingsInvalid("; ".join(lines)) from None


def _variable(location: tuple[int | str, ...]) -> str:
    if not location:
        return "settings"
    name = str(location[0])
    return name if name.isupper() else PREFIX + name.upper()


def environment() -> Mapping[str, str]:
    """Return the process's environment (the only other reader of it is dev.py)."""
    return os.environ
