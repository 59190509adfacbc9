"""Statements as text and arguments: the text of a shape is kept, its values never are."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.expression import Executable

from carbonledger.infra import statements

things = Table("things", MetaData(), Column("id", Uuid), Column("name", Text), Column("size", Integer))
ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.fixture(autouse=True)
def _none_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "_shapes", {})
    monkeypatch.setattr(statements, "_many", {})


def _by_id(value: UUID) -> Executable:
    return select(things.c.name).where(things.c.id == value)


def test_a_statement_is_its_text_with_numbered_places_and_its_values_in_their_order() -> None:
    sql, args = statements.compiled(select(things.c.name).where(things.c.size > 3, things.c.id == ONE).limit(5))
    assert " ".join(sql.split()) == (
        "SELECT things.name FROM things WHERE things.size > $1::INTEGER AND things.id = $2::UUID LIMIT $3::INTEGER"
    )
    assert args == [3, ONE, 5]


def test_the_same_shape_has_one_text_and_each_statement_its_own_values() -> None:
    first, second = statements.compiled(_by_id(ONE)), statements.compiled(_by_id(TWO))
    assert (first[1], second[1]) == ([ONE], [TWO])
    assert first[0] is second[0]
    assert len(statements._shapes) == 1


def test_another_shape_has_another_text() -> None:
    nothing, something = (statements.compiled(select(things.c.id).where(things.c.name == name)) for name in (None, "a"))
    assert "IS NULL" in nothing[0]
    assert nothing[1] == []
    assert something[1] == ["a"]


def test_values_are_in_their_places_wherever_a_statement_has_them_twice_or_in_another_order() -> None:
    for low, high in ((1, 2), (3, 3), (5, 4)):
        asked = update(things).values(size=high, name="new").where(things.c.size.in_(select(things.c.size).where(things.c.size == low)))
        assert statements.compiled(asked)[1] == ["new", high, low]


def test_what_upserts_and_arrays_hold_is_never_what_the_first_one_held() -> None:
    def upsert(name: str) -> Executable:
        made = postgresql.insert(things).values(id=ONE, name=name)
        return made.on_conflict_do_update(index_elements=["id"], set_={"name": made.excluded.name, "size": len(name)})

    assert [statements.compiled(upsert(name))[1] for name in ("a", "bcd")] == [[ONE, "a", 1], [ONE, "bcd", 3]]
    asked = [select(things.c.id).where(things.c.id == func.any(ids)) for ids in ([ONE], [ONE, TWO])]
    assert [statements.compiled(one)[1] for one in asked] == [[[ONE]], [[ONE, TWO]]]


def test_a_list_in_in_is_written_out_anew_for_each_length() -> None:
    told = [statements.compiled(select(things.c.id).where(things.c.size.in_(sizes), things.c.name == "a")) for sizes in ([1], [2, 3], [4])]
    assert [sorted(args, key=str) for _, args in told] == [[1, "a"], [2, 3, "a"], [4, "a"]]
    assert [sql.count("$") for sql, _ in told] == [2, 3, 2]


def test_an_insert_of_rows_names_its_columns_in_the_order_of_its_places() -> None:
    sql, columns = statements.compiled_for_many(insert(things).values({name: bindparam(name) for name in ("name", "id")}))
    assert sql == "INSERT INTO things (id, name) VALUES ($1::UUID, $2::VARCHAR)"
    assert columns == ("id", "name")
    assert statements.compiled_for_many(insert(things))[1] == ("id", "name", "size")


def test_rows_written_out_have_no_shape_to_keep() -> None:
    rows = [{"id": ONE, "name": "a"}, {"id": TWO, "name": "b"}]
    assert statements.compiled(insert(things).values(rows))[1] == [ONE, "a", TWO, "b"]
    assert not statements._shapes


def test_what_is_kept_holds_no_value_of_a_statement() -> None:
    statements.compiled(select(things.c.id).where(things.c.name == "personal"))
    [shape] = statements._shapes.values()
    assert "personal" not in repr(shape)


def test_the_oldest_shape_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "SHAPES_MAX", 2)
    for statement in (_by_id(ONE), select(things.c.id), select(things.c.size), _by_id(TWO)):
        statements.compiled(statement)
    assert len(statements._shapes) == 2
    assert statements.compiled(_by_id(TWO))[1] == [TWO]
