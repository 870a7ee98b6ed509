from __future__ import annotations

import apsw
import pytest

from sessions_vtab.contract import tables, times
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import (
    Column,
    ColumnType,
    Function,
    Table,
    quoted,
)

TABLES = [one for one in vars(tables).values() if isinstance(one, Table)]

T = ColumnType


def test_a_table_is_declared_without_rowid_on_its_key() -> None:
    table = Table(
        "t", (Column("name", T.TEXT, "d"), Column("at", T.TIME, "d")), "d",
        hidden=(Column("n", T.INTEGER, "d"),),
    )  # fmt: skip

    assert table.declared == (
        'CREATE TABLE x("name" TEXT NOT NULL, "at" TEXT COLLATE TIMESTAMP,'
        ' "_push" TEXT HIDDEN, "_args" TEXT HIDDEN, "n" INTEGER HIDDEN,'
        ' PRIMARY KEY("name")) WITHOUT ROWID'
    )


def test_a_functions_parameters_are_hidden_and_in_call_order() -> None:
    function = Function("f", (Column("b", T.TEXT, "d"), Column("a", T.JSON, "d")),
                        (Column("r", T.REAL, "d"),), "d")  # fmt: skip

    assert function.declared == ('CREATE TABLE x("r" REAL, "b" TEXT HIDDEN, "a" TEXT HIDDEN)')


@pytest.mark.parametrize("type_", ColumnType)
def test_only_numbers_have_numeric_affinity(type_: ColumnType) -> None:
    """A column declared DATETIME or JSON is NUMERIC to SQLite, and '10' = 10.0 then."""
    connection = apsw.Connection(":memory:")
    connection.create_collation("TIMESTAMP", times.compare)
    text = Table("t", (Column("name", T.TEXT, "d"), Column("c", type_, "d")), "d").declared
    connection.execute(text.replace(" HIDDEN", ""))

    kept = connection.execute("INSERT INTO x(name, c) VALUES ('a', '010') RETURNING typeof(c)").get

    numbers = {T.INTEGER: "integer", T.BOOLEAN: "integer", T.REAL: "real"}
    assert kept == numbers.get(type_, "text")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_documented_and_sqlite_takes_it(table: Table) -> None:
    connection = apsw.Connection(":memory:")
    connection.create_collation("TIMESTAMP", times.compare)

    connection.execute(table.declared.replace(" HIDDEN", ""))

    assert table.doc.endswith(".")
    assert table.example.startswith("SELECT") or table.name == "dry_run"
    assert all(column.doc.strip() for column in table.columns)
    assert table.key in table.positions


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_carriers_are_the_first_hidden_columns(table: Table) -> None:
    hidden = [column.name for column in table.columns if column.hidden]

    assert hidden[:2] == ["_push", "_args"]
    assert [column.name for column in table.columns if not column.hidden] == [
        column.name for column in table.visible
    ]


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_function_is_documented_and_sqlite_takes_it(function: Function) -> None:
    connection = apsw.Connection(":memory:")
    connection.create_collation("TIMESTAMP", times.compare)

    connection.execute(function.declared.replace(" HIDDEN", ""))

    assert function.doc.endswith(".")
    assert f"{function.name}(" in function.example


def test_a_table_is_extended_after_its_own_columns() -> None:
    extra, shy = Column("extra", T.TEXT, "d"), Column("shy", T.TEXT, "d")

    table = tables.PARTICIPANTS.extended(extra, hidden=(shy,))

    assert table.names == (*tables.PARTICIPANTS.names[:5], "extra", "_push", "_args", "shy")
    assert table.column("shy").hidden
    with pytest.raises(KeyError):
        table.column("absent")


@pytest.mark.parametrize("name", ["a", 'a"b', "select", "\U0001f600", "a b"])
def test_a_quoted_name_means_itself(name: str) -> None:
    connection = apsw.Connection(":memory:")

    cursor = connection.execute(f"SELECT 1 AS {quoted(name)}")

    assert cursor.get_description()[0][0] == name
