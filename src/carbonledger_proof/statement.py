"""The receipt: what is signed about a period, as typed values: integers, strings, and one yes or no. Unknown is None, never 0.

Units are in the names: ``mg`` milligrams of CO2e, ``uwh`` millionths of a watt-hour. Amounts of money are whole ``10^-scale`` of the
currency. ``[from, to)`` is half open everywhere. What a receipt has to satisfy by itself is checked when it is made and when it is read:
parts add up to the whole, what is compensated is allocated in full, and it says what it is: a compensation claim. A test
receipt is one of a sandbox, whose clock may be ahead: it may be issued before its period ends, and holds made-up credits only, which a real
one never does.

The members and their meaning are a published format. None is ever renamed, and a new one makes another schema.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from carbonledger_proof import canonical, errors, measures, serials, shape, signature

SCHEMA = signature.RECEIPT
CLAIM = "compensation claim"
TEST_REGISTRY = "sandbox"  # of credits that were made up for tests
WORDING = (
    "This receipt states the gross greenhouse gas emissions estimated for the AI usage of one period, and the retired carbon credits "
    "allocated to them. It is a compensation claim: the emissions took place, and the credits do not reduce them."
)
PROJECTS_MAX = 20_000
ALLOCATIONS_MAX = 20_000
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")
_PSEUDONYM = re.compile(r"[0-9a-f]{32,64}")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_URL = re.compile(r"https?://\S+")
_VINTAGES = (1990, 2100)


class Kind(enum.Enum):
    """What a credit stands for."""

    REMOVAL = "removal"
    REDUCTION = "reduction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A month in a time zone, as instants."""

    start: datetime
    end: datetime
    zone: str
    month: str

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise errors.StatementInvalid("It is not after the start.", "/end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """The Merkle root over the leaves of all events, in the order of their ids, and how many they are (see ``event``)."""

    root: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The share of one project."""

    project: str
    name: str | None
    gross: tuple[measures.Gross, ...]
    cost: tuple[measures.Cost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """What is compensated: a share of one bound on one basis, over all scopes, rounded up to the milligram."""

    basis: measures.Basis
    bound: measures.Bound
    share_bp: int  # basis points: 10,000 is all of it
    required_mg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """A part ``[from_mg, to_mg)`` of a block of credits that was retired, counted from the block's beginning."""

    registry: str
    project_id: str
    project_name: str
    standard: str
    kind: Kind
    vintage: int
    block: str
    from_mg: int
    to_mg: int
    retirement_reference: str
    retirement_url: str
    claim: str

    def __post_init__(self) -> None:
        if self.from_mg >= self.to_mg:
            raise errors.StatementInvalid("It is not beyond from_mg.", "/to_mg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What late events and revisions of an earlier month changed. It is inside the totals of this receipt."""

    month: str
    receipt: str | None  # the receipt of that month; None: it had none
    events: int  # more than before, or fewer: negative; one that was only revised changes none
    gross: tuple[measures.Gross, ...]
    cost: tuple[measures.Cost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt. ``gross``, ``cost`` and ``tokens`` include adjustments; ``projects`` may be left out as a whole.

    ``test``: it was issued to a sandbox, and is about no real usage and no real credits.
    """

    test: bool
    serial: str
    issuer: str
    organization: str
    period: Period
    gross: tuple[measures.Gross, ...]
    energy_uwh: measures.Range | None
    tokens: measures.Tokens
    events: Events
    cost: tuple[measures.Cost, ...]
    factor_sets: tuple[measures.Version, ...]
    price_books: tuple[measures.Version, ...]
    projects: tuple[Project, ...]
    compensation: Compensation | None
    allocations: tuple[Allocation, ...]
    adjustments: tuple[Adjustment, ...]
    supersedes: str | None
    issued_at: datetime
    kid: str
    wording: str = WORDING

    def __post_init__(self) -> None:
        for pointer, problem in _problems(self):
            shape.refuse(problem, pointer)

    def to_json(self) -> canonical.Json:
        """Return it as JSON."""
        return RECEIPT.write(self)

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical bytes, in hex."""
        return canonical.digest(self.to_json())


def signed(receipt: Receipt, sign: signature.Signer) -> str:
    """Return the signature over a receipt, after reading it as a verifier will. Raises ``StatementInvalid`` or ``JsonInvalid``."""
    payload = canonical.write(receipt.to_json())
    if from_json(canonical.read_canonical(payload)) != receipt:
        raise errors.StatementInvalid("It would be read as another receipt.")
    return signature.to_base64url(sign(signature.message(SCHEMA, payload)))


def from_json(value: canonical.Json) -> Receipt:
    """Return the receipt that a JSON value is. Raises ``StatementInvalid``."""
    return RECEIPT.read(value)


def _problems(receipt: Receipt) -> Iterable[tuple[str, str]]:
    if serials.month_of(receipt.serial) != receipt.period.month:
        yield "/serial", "It is of another month than the period."
    if receipt.supersedes == receipt.serial:
        yield "/supersedes", "A receipt can't supersede itself."
    if receipt.issued_at < receipt.period.end and not receipt.test:
        yield "/issued_at", "It is before the end of the period."
    if receipt.wording != WORDING:
        yield "/wording", "It is not the wording of this schema."
    if any((allocation.registry == TEST_REGISTRY) != receipt.test for allocation in receipt.allocations):
        yield "/allocations", f"Credits of the registry {TEST_REGISTRY} are for test receipts, and no others are."
    yield from _measured(receipt)
    yield from _parts(receipt)
    yield from _compensation(receipt)


def _measured(receipt: Receipt) -> Iterable[tuple[str, str]]:
    for pointer, keys in _unique(receipt):
        if len(set(keys)) != len(keys):
            yield pointer, "Something stands there twice."
    if not receipt.adjustments:
        for place, entry in enumerate(receipt.gross):
            if entry.co2e_mg is not None and not 0 <= entry.co2e_mg.low <= entry.co2e_mg.mid <= entry.co2e_mg.high:
                yield f"/gross/{place}/co2e_mg", "It has to be 0 <= low <= mid <= high, as nothing was adjusted."
    if any(adjustment.month >= receipt.period.month for adjustment in receipt.adjustments):
        yield "/adjustments", "An adjustment is of an earlier month than the period."


def _unique(receipt: Receipt) -> Iterable[tuple[str, list[object]]]:
    yield "/gross", [(entry.scope, entry.basis) for entry in receipt.gross]
    yield "/cost", [cost.currency for cost in receipt.cost]
    yield "/factor_sets", [version.version for version in receipt.factor_sets]
    yield "/price_books", [version.version for version in receipt.price_books]
    yield "/projects", [project.project for project in receipt.projects]
    yield "/adjustments", [adjustment.month for adjustment in receipt.adjustments]


def _parts(receipt: Receipt) -> Iterable[tuple[str, str]]:
    """The projects, where they are told, are all of it: to the milligram and to the last digit of money."""
    if not receipt.projects:
        return
    if measures.summed_gross(entry for project in receipt.projects for entry in project.gross) != measures.summed_gross(receipt.gross):
        yield "/projects", "Their emissions do not add up to the gross."
    if measures.summed_cost(cost for project in receipt.projects for cost in project.cost) != measures.summed_cost(receipt.cost):
        yield "/projects", "Their cost does not add up to the whole."


def _compensation(receipt: Receipt) -> Iterable[tuple[str, str]]:
    compensation = receipt.compensation
    allocated = sum(allocation.to_mg - allocation.from_mg for allocation in receipt.allocations)
    if compensation is None:
        if receipt.allocations:
            yield "/allocations", "Nothing is compensated."
        return
    required = measures.required_mg(receipt.gross, basis=compensation.basis, bound=compensation.bound, share_bp=compensation.share_bp)
    if required != compensation.required_mg:
        yield "/compensation/required_mg", f"It has to be {'known' if required is None else required}."
    if allocated != compensation.required_mg:
        yield "/allocations", f"They add up to {allocated} mg, not to the {compensation.required_mg} mg that are compensated."
    intervals = sorted((allocation.registry, allocation.block, allocation.from_mg, allocation.to_mg) for allocation in receipt.allocations)
    for (registry, block, _, end), (next_registry, next_block, begin, _) in itertools.pairwise(intervals):
        if (registry, block) == (next_registry, next_block) and begin < end:
            yield "/allocations", f"Parts of {block[:64]} overlap."


def _serial(value: canonical.Json) -> str:
    if not isinstance(value, str) or not serials.is_serial(value):
        shape.refuse("It has to be the serial of a receipt (CL-YYYYMM-XXXXX).")
    return value


SERIAL = shape.Shape(_serial, lambda value: value)
MONTH = shape.text(7, serials.MONTH)
ID = shape.text(36, _ID)
KID = shape.text(43)
ORIGIN = shape.text(200)
BLOCK = shape.text(200)
# What a retired block of credits is, in a receipt and in the log.
CREDIT_MEMBERS: dict[str, shape.Shape[Any]] = {
    "registry": shape.text(64),
    "project_id": shape.text(64),
    "project_name": shape.text(200),
    "standard": shape.text(64),
    "kind": shape.choice(Kind),
    "vintage": shape.integer(*_VINTAGES),
    "block": BLOCK,
    "retirement_reference": shape.text(200),
    "retirement_url": shape.text(1000, _URL),
}
ALLOCATION = shape.record(Allocation, from_mg=measures.COUNT, to_mg=measures.COUNT, claim=shape.constant(CLAIM), **CREDIT_MEMBERS)
PSEUDONYM = shape.text(64, _PSEUDONYM)
PERIOD = shape.record(Period, start=shape.instant(), end=shape.instant(), zone=shape.text(100, _ZONE), month=MONTH)
EVENTS = shape.record(Events, root=shape.hash_hex(), count=measures.COUNT)
RECEIPT = shape.record(
    Receipt,
    {"schema": SCHEMA},
    test=shape.boolean(),
    serial=SERIAL,
    issuer=ORIGIN,
    organization=PSEUDONYM,
    period=PERIOD,
    gross=measures.GROSS,
    energy_uwh=shape.nullable(measures.RANGE),
    tokens=measures.TOKENS,
    events=EVENTS,
    cost=measures.COSTS,
    factor_sets=measures.VERSIONS,
    price_books=measures.VERSIONS,
    projects=shape.array(
        shape.record(Project, project=ID, name=shape.nullable(shape.text(200)), gross=measures.GROSS, cost=measures.COSTS),
        most=PROJECTS_MAX,
    ),
    compensation=shape.nullable(
        shape.record(
            Compensation,
            basis=shape.choice(measures.Basis),
            bound=shape.choice(measures.Bound),
            share_bp=shape.integer(1, measures.SHARE_WHOLE),
            required_mg=measures.COUNT,
        )
    ),
    allocations=shape.array(ALLOCATION, most=ALLOCATIONS_MAX),
    adjustments=shape.array(
        shape.record(
            Adjustment, month=MONTH, receipt=shape.nullable(SERIAL), events=shape.integer(), gross=measures.GROSS, cost=measures.COSTS
        ),
        most=1200,
    ),
    supersedes=shape.nullable(SERIAL),
    issued_at=shape.instant(),
    kid=KID,
    wording=shape.text(),
)
