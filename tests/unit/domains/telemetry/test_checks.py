"""Labels asked about together: the same answer as one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.telemetry.core import checks

# What decides: nothing, blanks at either end or inside, line feeds, control characters, halves of a surrogate pair, and length.
texts = st.sampled_from(["", " ", "a", " a", "a ", "a b", "a\n", "\na", "a\n b", "a\0", "\ud83d", "\ude00", "\u00e9", "x" * 5, "x" * 6])


@given(st.lists(texts | st.text(max_size=6), max_size=6))
def test_labels_together_are_sound_where_each_of_them_is(labels: list[str]) -> None:
    assert checks.are_labels(labels, 5) is all(checks.is_label(label, 5) for label in labels)
