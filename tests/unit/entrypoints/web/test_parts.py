"""The parts under the pages: files by changing names, masked tokens, forms, colours, the navigation, addresses that stay here."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity.types import access
from carbonledger.entrypoints.web import assets, colours, csrf, forms, navigation, rendering, screens, site
from carbonledger.kernel import errors
from carbonledger.kernel.actor import Role

STATIC = Path(assets.__file__).parent / "static"
AXE = Path(__file__).parents[3] / "fixtures/axe"


def test_a_file_has_a_name_that_changes_with_its_content_and_is_the_same_when_unpacked() -> None:
    for path in [*STATIC.glob("*.css"), *STATIC.glob("vendor/*.js")]:
        found = assets.find(assets.url(path.name).removeprefix("/static/"))
        assert found is not None
        asset, is_changing = found
        assert is_changing
        assert asset.name.split(".")[-2] == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        assert gzip.decompress(asset.packed) == asset.content == path.read_bytes()
    assert assets.find("app.css") is not None
    assert assets.find("README.md") is None


@pytest.mark.parametrize("readme", [STATIC / "vendor/README.md", AXE / "README.md"], ids=["served", "tests"])
def test_vendored_files_are_the_ones_that_were_published_with_their_licence(readme: Path) -> None:
    files = [*readme.parent.glob("*.js"), *readme.parent.glob("*.css")]
    assert files
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() in readme.read_text(), path.name
    assert list(readme.parent.glob("licences/*.txt")) or (readme.parent / "LICENSE").exists()


def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_inline() -> None:
    policy = dict(part.strip().split(" ", 1) for part in screens.POLICY.split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert all(sources in {"'self'", "'none'"} for sources in policy.values())


@pytest.mark.parametrize("template", sorted(str(path.relative_to(rendering.FOLDER)) for path in rendering.FOLDER.rglob("*.html")))
def test_no_template_has_inline_script_or_style(template: str) -> None:
    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", (rendering.FOLDER / template).read_text()) is None


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_a_token_comes_out_of_its_mask_and_never_looks_the_same(token: str) -> None:
    one, other = csrf.masked(token), csrf.masked(token)
    assert csrf.unmasked(one) == csrf.unmasked(other) == token
    assert len(token) < 8 or (one != other and token not in one)


@given(st.text(max_size=80))
def test_what_is_no_masked_token_unmasks_to_text_without_failing(given_text: str) -> None:
    assert isinstance(csrf.unmasked(given_text), str)


def test_a_form_is_read_whole_and_nonsense_is_refused() -> None:
    fields = forms.read(b"name=%D7%A9%D7%9C%D7%95%D7%9D+%F0%9F%8C%8D&tick=a&tick=b&empty=")
    assert fields.text("name") == "שלום 🌍"
    assert fields.every("tick") == ("a", "b")
    assert fields.given("empty") is None
    for wrong in (b"a=%00", b"&".join(b"a=b" for _ in range(1001)), b"a=%ff%fe", b"\xff"):
        with pytest.raises(errors.Malformed):
            forms.read(wrong)


def test_problems_stand_beside_their_fields() -> None:
    fault = errors.Invalid("Two things.", problems=(errors.Problem("/name", "a", "Too long."), errors.Problem("/name", "b", "Odd.")))
    assert forms.refused(fault, forms.Fields()).beside == {"name": "Too long."}
    assert forms.refused(errors.Conflict("Taken."), forms.Fields(), only="name").beside == {"name": "Taken."}


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb", "/" + "a" * 3000]
)
def test_nobody_is_led_to_another_site(address: str) -> None:
    assert screens.own_path(address) == "/"
    assert screens.own_path("/projects?period=7d") == "/projects?period=7d"


def test_a_model_has_the_hue_of_its_family_and_keeps_its_colour_beside_others() -> None:
    alone = colours.of_models(["claude-sonnet-4-5"])
    among = colours.of_models(["claude-sonnet-4-5", "gpt-5", "gemini-2.5-pro", "nobody-1"])
    assert alone["claude-sonnet-4-5"] == among["claude-sonnet-4-5"]
    assert [colours.family(name) for name in ("gpt-5", "o3", "openrouter/claude-x", "gemini-1", "llama-3", "mixtral", "zebra")] == [
        "openai",
        "openai",
        "anthropic",
        "google",
        "meta",
        "mistral",
        "others",
    ]
    three = colours.of_models(["gpt-5", "gpt-4o-mini", "o3"])
    assert len(set(three.values())) == 3


def test_every_colour_that_is_named_has_a_token_in_the_style_sheet() -> None:
    sheet = (STATIC / "app.css").read_text()
    named = {*colours.in_order([str(place) for place in range(30)]).values(), colours.REST}
    assert all(f".{name}" in sheet for name in named)


def test_the_navigation_leads_to_pages_that_are_there_and_shows_a_viewer_what_a_viewer_may_read() -> None:
    paths = {route.path for route in site.routes() if route.method == "GET"}
    assert {section.path for section in navigation.SECTIONS} <= paths
    assert [section.key for section in navigation.seen_by(access.scopes_of(Role.VIEWER))] == [
        "overview",
        "explore",
        "connections",
        "projects",
        "models",
        "meters",
        "plans",
        "receipts",
        "settings",
    ]
    assert {section.scope for section in navigation.SECTIONS} <= access.SCOPE_NAMES


def test_every_act_demands_somebody() -> None:
    public = {route.path for route in site.routes() if route.method == "POST" and route.demand.is_public}
    by_link = {"/sign-in/link", "/reset-password", "/verify-email", "/accept-invitation"}
    assert public == {"/sign-in", "/forgotten-password", "/verify-email/again", "/receipts/verify", *by_link}


@pytest.mark.parametrize(
    "amount, currency, said",
    [
        ("49", "USD", "49.00 USD"),
        ("0.00001", "USD", "0.00001 USD"),  # a unit price keeps the digits it needs
        ("1234.5", "EUR", "1,234.50 EUR"),
        ("500", "JPY", "500 JPY"),  # which has no minor unit
    ],
)
def test_an_amount_has_the_digits_of_its_currency_at_least(amount: str, currency: str, said: str) -> None:
    assert rendering.money(amount, currency) == said
