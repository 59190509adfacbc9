"""The methodology as a page: made from the same document as ``GET /v1/public/methodology``, so that the two can't differ.

It needs no script and no session. Whatever nobody has measured is marked where it stands, not only in the list of assumptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from carbonledger.entrypoints.rest import methodology
from carbonledger.entrypoints.rest.quantities import RangeOut
from carbonledger.entrypoints.web.html import Content, Markup, element, joined, table

_ASSUMED = frozenset(("assumption", "extrapolated"))
_PHASES = ("prefill", "cached", "decode")
_CACHING: Final = (
    "Cost: each token read from a cache saves the price of uncached input less that of cached input; each token written to it costs the"
    " price of writing less that of uncached input, which is taken off. Where writing cost more than reading saved it is below zero.",
    "Each hour or day has the price that the book has for it. Where the book lacks a price that is needed, and where an event has no"
    " cost, the tokens are not covered, never counted as nothing saved.",
    "A model that costs more for large requests saves at the tier of their size where the source tells it, elsewhere at its lowest"
    " tier, marked as estimated.",
    "Energy and CO2e: what a token of prefill takes less what a cached one takes, of low, mid and high each, times the tokens read."
    " Writing to a cache takes what other input takes.",
)


def content() -> Markup:
    """Return what stands on the page, inside its frame."""
    known = methodology.to_api_methodology()
    return joined((*_opening(known), *_emissions(known.emissions), *_cost(known.cost)))


def _opening(known: methodology.MethodologyOut) -> Iterator[Markup]:
    yield element("h1", "How costs and emissions are made")
    yield element("p", known.statement)
    versions = f"Factor set {known.emissions.factor_version}, price book {known.cost.price_version}. The same as "
    yield element("p", versions, element("a", "JSON", href="/v1/public/methodology"), ".", class_="quiet")
    parts = (
        ("assumptions", "Assumptions"),
        ("energy", "Energy"),
        ("models", "Models"),
        ("places", "Places"),
        ("cost", "Cost"),
        ("caching", "Caching"),
        ("flags", "Flags"),
        ("sources", "Sources"),
    )
    links = (element("a", words, href=f"#{name}") for name, words in parts)
    yield element("nav", joined(links, " "), aria_label="On this page")
    yield element("h2", "What nobody has measured", id="assumptions")
    yield element("ul", *(element("li", _mark(), " ", one.text) for one in known.assumptions), class_="assumptions")


def _emissions(known: methodology.EmissionsOut) -> Iterator[Markup]:
    yield element("h2", "Energy", id="energy")
    formulas = [f"{one.name} = {one.formula}  [{one.unit}]" for one in known.formulas]
    yield element("pre", "\n".join(formulas), tabindex="0", aria_label="Formulas")
    yield element("p", known.bounds, class_="quiet")
    phases = [(_marked(one.phase, assumed=one.is_assumption), one.tokens, one.derivation) for one in known.phases]
    yield table("Phases of a token", ("phase", "tokens", "how it was derived"), phases)
    yield table(
        "Energy of a token: Wh per 1,000 tokens before PUE, low / mid / high",
        ("model tier", *_PHASES, "models", "sources"),
        (_tier(tier) for tier in known.tiers),
    )
    steps = [(str(step.input_tokens_per_request_from), step.prefill, step.decode) for step in known.context_steps]
    yield table("Long context: what energy is multiplied by", ("average input from", "prefill x", "decode x"), steps)
    yield element("p", "Sources: ", _sources(known.context_sources), class_="quiet")
    yield element(
        "p", f"Making the hardware: {_range(known.embodied_g_per_kwh)} g CO2e per kWh of IT energy. {known.embodied_derivation}. "
    )
    yield element("p", "Sources: ", _sources(known.embodied_sources), class_="quiet")
    yield element("h2", "Models", id="models")
    yield element("p", "The first rule that fits the name in lower case, without a path before it, decides the tier.")
    rules = table("Rules in their order", ("pattern", "model tier"), ((element("code", rule.pattern), rule.tier) for rule in known.rules))
    yield element("details", element("summary", f"{len(known.rules)} rules"), rules)
    yield element("h2", "Places", id="places")
    yield table(
        "Whose machines: low / mid / high",
        ("provider", "hosting", "PUE", "sources", "water on site, L/kWh", "sources", "grid unless told"),
        (
            (h.provider, h.hosting, _range(h.pue), _sources(h.pue_sources), _range(h.water_l_per_kwh), _sources(h.water_sources), h.grid)
            for h in known.hosts
        ),
    )
    yield table(
        "Electricity: low / mid / high",
        ("grid", "basis", "g CO2e/kWh", "water, L/kWh", "year", "bounds", "sources"),
        (
            (g.grid, g.basis, _range(g.g_per_kwh), g.water_l_per_kwh or "unknown", str(g.year), g.bounds, _sources(g.sources))
            for g in known.grids
        ),
    )
    yield element("p", "Location and market basis answer two questions. They stand side by side and are never summed.")
    yield table("What may be said of an estimate", ("flag", "figure", "meaning"), _flags(known.flags))
    yield element("h2", "Sources", id="sources")
    yield table("Sources of the factor set", ("source", "what it is", "used for"), (_source(one) for one in known.sources))


def _cost(known: methodology.CostOut) -> Iterator[Markup]:
    yield element("h2", "Cost", id="cost")
    yield element("p", known.formula[0].upper(), known.formula[1:], ".")
    release = f"{known.source['name']} {known.source['version']}"
    made_of = element("a", release, href=known.source["url"])
    yield element(
        "p", f"Prices of {known.as_of.isoformat()} in {known.currency}, made of ", made_of, f" ({known.source['licence']}), and our own:"
    )
    yield table(
        "Where public books disagree or are silent: USD per million tokens",
        ("provider", "models", "service", "holds", "prices", "why"),
        (_settled(one) for one in known.settled),
    )
    yield element("h2", "What caching saved", id="caching")
    yield element("ul", *(element("li", rule) for rule in _CACHING))
    yield element("h2", "Flags of a cost", id="flags")
    yield table("What may be said of a cost", ("flag", "figure", "meaning"), _flags(known.flags))


def _tier(tier: methodology.TierOut) -> tuple[Content, ...]:
    energies = tier.wh_per_1k_tokens
    shown: Iterable[Content] = ("not modelled", "", "")
    if energies is not None:
        shown = (_marked(_range(energies[phase]), assumed=phase == "cached") for phase in _PHASES)
    return (tier.tier, *shown, tier.models, _sources(tier.sources))


def _settled(one: methodology.SettledOut) -> tuple[Content, ...]:
    prices = ", ".join(f"{kind} {price}" for kind, price in one.per_million_tokens.items()) or f"{', '.join(one.kinds)}: x {one.times}"
    links = [element("a", f"[{place}]", href=link) for place, link in enumerate(one.links, start=1)]
    said = f"{one.reason} Decided on {one.decided_on.isoformat()}. "
    why = joined((element("strong", "Disputed. ") if one.disputed else "", said, joined(links, " ")))
    return (one.provider, ", ".join(one.models) or "all", one.service, _holds(one), prices, why)


def _holds(one: methodology.SettledOut) -> str:
    said = (
        f"from {one.valid_from}" if one.valid_from else "",
        f"until {one.valid_until}" if one.valid_until else "",
        f"at {', '.join(one.hours)} UTC" if one.hours else "",
        f"on days {', '.join(map(str, one.days))} of the week" if one.days else "",
    )
    return " ".join(part for part in said if part) or "always"


def _flags(flags: Iterable[methodology.FlagOut]) -> Iterator[tuple[Content, ...]]:
    return ((element("code", one.flag), "yes" if one.covered else "none: not covered", one.meaning) for one in flags)


def _source(one: methodology.SourceOut) -> tuple[Content, ...]:
    title = element("a", one.title, href=one.url) if one.url else one.title
    return element("span", one.id, id=f"source-{one.id}"), title, one.used_for


def _sources(names: Iterable[str]) -> Markup:
    links = (_marked(element("a", name, href=f"#source-{name}"), assumed=name in _ASSUMED) for name in names)
    return joined(links, ", ")


def _range(value: RangeOut) -> Markup:
    return _whole(f"{value.low} / {value.mid} / {value.high}")


def _whole(text: str) -> Markup:
    """Return text that stays on one line."""
    return element("span", text, class_="whole")


def _marked(what: Content, *, assumed: bool) -> Content:
    return joined((what, " ", _mark())) if assumed else what


def _mark() -> Markup:
    return element("span", "assumed", class_="assumed")
