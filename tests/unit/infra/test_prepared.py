"""Statements with named values: compiled once, refused with a value too few or too many."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, exc, insert, select, update

from carbonledger.infra import statements

_things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("name", Text))


def test_values_stand_in_the_places_of_their_names() -> None:
    found = statements.Prepared(select(_things.c.id).where(_things.c.name == bindparam("named"), _things.c.id > bindparam("after")))
    assert found(after=7, named="a").arguments == ["a", 7]
    assert found(after=8, named="b").arguments == ["b", 8]
    assert found(after=7, named="a").sql == found(after=8, named="b").sql


def test_what_a_statement_holds_itself_stays() -> None:
    found = statements.Prepared(update(_things).where(_things.c.id == bindparam("this"), _things.c.name == "old").values(name="new"))
    assert found(this=7).arguments == ["new", 7, "old"]


def test_it_says_what_the_same_statement_says_without_names() -> None:
    named = statements.Prepared(insert(_things).values(id=bindparam("id"), name=bindparam("name")))
    assert named(id=7, name=None) == statements.compiled(insert(_things).values(id=7, name=None))
    assert statements.compiled(named(id=7, name=None)) == named(id=7, name=None)


def test_a_value_too_few_or_too_many_is_refused() -> None:
    named = statements.Prepared(select(_things).where(_things.c.id == bindparam("this")))
    with pytest.raises(exc.InvalidRequestError, match="this"):
        named()
    with pytest.raises(TypeError, match="that"):
        named(this=7, that=8)
