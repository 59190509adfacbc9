"""The file of rejected rows: whatever could be read can be written."""

from __future__ import annotations

import csv
import io
from typing import Any

from carbonledger_client.importing import rejects
from carbonledger_client.importing.tally import Refusal


def test_an_object_nested_too_deep_to_be_written_is_told_by_its_number_and_does_not_end_the_import() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    file = io.StringIO(newline="")
    refused = rejects.Rejects(file, None)

    refused.write(Refusal(7, "model_invalid", "No."), deep)
    refused.write(Refusal(8, "model_invalid", "No."), {"a": [None, 2**70, "\ud800"]})

    assert list(csv.reader(io.StringIO(file.getvalue()))) == [
        ["rejected_row", "rejected_code", "rejected_detail", "content"],
        ["7", "model_invalid", "No.", ""],
        ["8", "model_invalid", "No.", r'{"a": [null, 1180591620717411303424, "\ud800"]}'],
    ]
