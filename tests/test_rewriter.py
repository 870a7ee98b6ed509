"""The statement rewriter of a connection: one cache, and dialects that are registered with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest

import sessions_vtab
from sessions_vtab.connection import Connection
from sessions_vtab.rewriter import StatementRewriter
from sessions_vtab.sql.dialects import Surroundings, Translated

_TEXT = "SELECT session_id FROM sessions WHERE NOT user_id = 'a'"


@pytest.fixture
def db() -> Iterator[Connection]:
    with closing(sessions_vtab.connect("local://:memory:")) as connection:
        yield connection


class Shouting:
    """A dialect whose statements begin with LOUD; ``?1`` chooses the table."""

    def __init__(self) -> None:
        self.translated = 0

    def recognises(self, text: str) -> bool:
        return text.startswith("LOUD")

    def translate(
        self, text: str, known: Surroundings, values: Mapping[int, str]
    ) -> Translated | None:
        self.translated += 1
        if text == "LOUD":
            return None
        table = values.get(1, "sessions")
        return Translated(
            f"SELECT ?1, {len(known.backends) > 0:d} FROM {table}", asks=frozenset((1,))
        )


def _rewriter(db: Connection, *dialects: Shouting) -> StatementRewriter:
    return StatementRewriter(db._host, dialects)


@pytest.mark.parametrize("text", [_TEXT, "SELECT 1", f"{_TEXT}; SELECT 1"])
def test_a_text_is_read_once_until_names_change(db: Connection, text: str) -> None:
    rewriter = _rewriter(db)
    first = rewriter.read(text)

    assert rewriter.read(text) is first
    rewriter.clear()
    assert rewriter.read(text) is not first


@pytest.mark.parametrize(
    "text",
    ["CREATE TABLE t(x)", "ATTACH ':memory:' AS other", "BEGIN; ROLLBACK"],
)
def test_what_changes_names_clears_what_was_read(db: Connection, text: str) -> None:
    first = db._rewriter.read(_TEXT)

    db.execute(text)

    assert db._rewriter.read(_TEXT) is not first


def test_a_dialect_is_asked_once_for_a_text_and_the_values_that_choose_a_source(
    db: Connection,
) -> None:
    dialect = Shouting()
    rewriter = _rewriter(db, dialect)
    step = rewriter.read("LOUD ?").steps[0]
    for value in ("events", "events", "sessions", "sessions"):
        chosen, share = rewriter.with_values(step, (value,))
        assert chosen.statement.original == f"SELECT ?1, 1 FROM {value}"
        assert share == (value,)

    assert dialect.translated == 3


def test_what_a_dialect_gives_back_is_sqlites(db: Connection) -> None:
    (step,) = _rewriter(db, Shouting()).read("LOUD").steps

    assert (step.text, step.statement.original) == ("LOUD", "LOUD")
