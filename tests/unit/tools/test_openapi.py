"""The checked-in OpenAPI document against the one that the code makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import openapi

PRODUCT = ("-c", 'print(\'{\\n  "openapi": "3.1.0"\\n}\')')
DOCUMENT = '{\n  "openapi": "3.1.0"\n}\n'


def test_the_same_document_passes(tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(DOCUMENT)
    assert openapi.main([], document=document, product=PRODUCT) == 0


def test_another_document_fails_with_the_difference_and_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(DOCUMENT.replace("3.1.0", "3.0.0"))
    assert openapi.main([], document=document, product=PRODUCT) == 1
    said = capsys.readouterr().out
    assert '-  "openapi": "3.0.0"\n+  "openapi": "3.1.0"' in said
    assert "python3 dev.py check --fix" in said


def test_fix_writes_the_document(tmp_path: Path) -> None:
    document = tmp_path / "docs/openapi.json"
    assert openapi.main([], document=document, product=PRODUCT) == 1
    assert openapi.main(["--fix"], document=document, product=PRODUCT) == 0
    assert document.read_text() == DOCUMENT


def test_a_product_that_fails_is_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert openapi.main(["--fix"], document=tmp_path / "openapi.json", product=("-c", "raise SystemExit('no settings')")) == 1
    assert "no settings" in capsys.readouterr().out
    assert not (tmp_path / "openapi.json").exists()
