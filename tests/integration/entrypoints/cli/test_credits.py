"""credits: a file of lots is imported once, whatever is wrong in it is named, and the inventory is shown with what is left."""

from __future__ import annotations

import json
from pathlib import Path

from carbonledger_sandbox import climate
from tests import installation, standins
from tests.unit.domains.receipts import credit_files as files


def test_lots_are_imported_once_and_listed(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "lots.csv"
    file.write_bytes(files.written(files.VERRA, files.block(1, 10)))
    first = installation.run(home, "credits", "import", str(file))
    assert (first.returncode, first.stdout) == (0, "Lots imported: 2 (110 t). There already: 0.\n"), first.stderr
    again = installation.run(home, "credits", "import", str(file), "--json")
    assert json.loads(again.stdout) == {"imported": 0, "known": 2, "data": []}

    listed = json.loads(installation.run(home, "credits", "list", "--json").stdout)["data"]
    assert [(lot["block"], lot["quantity_t"], lot["remaining_t"]) for lot in listed] == [
        ("ACR-US-192-2010-203-1-10", "10", "10"),
        (files.VERRA["serial_block"], "100", "100"),
    ]
    shown = installation.run(home, "credits", "list").stdout.splitlines()
    assert shown[0].split() == ["registry", "block", "project", "kind", "vintage", "retired", "tonnes", "left"]
    assert len(shown) == 3
    checked = installation.run(home, "credits", "check")
    assert (checked.returncode, checked.stdout[:19]) == (0, "Every lot adds up: ")


def test_a_file_with_bad_lines_is_refused_and_each_is_named(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(files.written(files.block(101, 110), files.block(111, 120, vintage="x"), files.block(110, 130, method="")))
    done = installation.run(home, "credits", "import", str(file))
    assert (done.returncode, done.stdout) == (3, "")
    assert "2 of its lines can't be taken. Nothing was imported" in done.stderr
    assert "lines/3/vintage: Line 3, vintage: give a year" in done.stderr
    assert "lines/4/method: Line 4, method: give removal or reduction" in done.stderr


def test_a_file_that_is_not_there_is_said_in_one_sentence(home: Path, tmp_path: Path) -> None:
    done = installation.run(home, "credits", "import", str(tmp_path / "none.csv"))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("error: ")


def test_removal_is_ordered_ahead_only_when_it_is_meant(home: Path) -> None:
    """Without a key there is nobody to order from; with one the price is named, and a no orders nothing."""
    nobody = installation.run(home, "credits", "offers")
    assert (nobody.returncode, nobody.stdout) == (5, "")
    assert "CARBONLEDGER_STRIPE_CLIMATE_KEY" in nobody.stderr
    with standins.running() as providers:
        stripe = {"CARBONLEDGER_STRIPE_URL": f"{providers.address}/stripe", "CARBONLEDGER_STRIPE_CLIMATE_KEY": climate.KEY}
        offers = json.loads(installation.run(home, "credits", "offers", "--json", **stripe).stdout)["data"]
        assert [(one["available_t"], one["prices_per_tonne"]) for one in offers] == [
            ("500", [{"amount": "550.00", "currency": "USD"}]),
            ("20", [{"amount": "330.00", "currency": "USD"}]),
        ]
        shown = installation.run(home, "credits", "offers", **stripe).stdout
        assert "Demo portfolio 2030" in shown
        offer = offers[0]["id"]
        unknown = installation.run(home, "credits", "commit", "climsku_none", "1", "--yes", **stripe)
        half_word = installation.run(home, "credits", "commit", offer, "many", "--yes", **stripe)
        assert [unknown.returncode, half_word.returncode] == [3, 3]
        asked = json.loads(installation.run(home, "credits", "commit", offer, "1.5", "--yes", "--json", **stripe).stdout)
        assert (asked["state"], asked["quantity_t"], asked["order"]) == ("asked", "1.5", None)
        declined = installation.run(home, "credits", "commit", offer, "1.5", **stripe)  # nobody says yes
        assert declined.returncode != 0
        listed = json.loads(installation.run(home, "credits", "commitments", "--json").stdout)["data"]
        assert [one["id"] for one in listed] == [asked["id"]]
        assert asked["id"] in installation.run(home, "credits", "commitments").stdout
        assert providers.state.orders == {}  # that is the job's to do
