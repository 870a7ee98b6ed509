from __future__ import annotations

import apsw
import pytest

from sessions_vtab.errors import MissingParameterError, StatementError
from sessions_vtab.sql.lexer import apply, tokenize
from sessions_vtab.sql.parameters import Numbering, bind, distribute, number


def _numbering(text: str) -> Numbering:
    return number(tokenize(text))


def _numbered(text: str) -> str:
    tokens = tokenize(text)
    return apply(text, number(tokens).edits(tokens))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT ?, ?", "SELECT ?1, ?2"),
        ("SELECT ?5, ?", "SELECT ?5, ?6"),
        ("SELECT ?, ?1, ?", "SELECT ?1, ?1, ?2"),
        ("SELECT :a, @a, $a, :a", "SELECT ?1, ?2, ?3, ?1"),
        ("SELECT :a, ?, :b, ?2", "SELECT ?1, ?2, ?3, ?2"),
        ("SELECT ?3, :a, ?", "SELECT ?3, ?4, ?5"),
        ("SELECT '?', \"?\" -- ?", "SELECT '?', \"?\" -- ?"),
        ("SELECT $a::b(x), ?", "SELECT ?1, ?2"),
    ],
)
def test_numbers_are_those_of_sqlite(text: str, expected: str) -> None:
    assert _numbered(text) == expected


@pytest.mark.parametrize(
    "text", ["SELECT ?, ?3, :a, ?, @b, :a", "SELECT ?2, :x, ?1, ?", "SELECT $x::y, ?, $x::y"]
)
def test_sqlite_gives_the_same_values_to_the_numbered_text(text: str) -> None:
    values = list(range(10, 10 + _numbering(text).count))
    connection = apsw.Connection(":memory:")
    assert connection.execute(_numbered(text), values).get == connection.execute(text, values).get


def test_a_text_without_parameters_is_the_same_object() -> None:
    text = "SELECT 1"
    assert _numbered(text) is text


@pytest.mark.parametrize("text", ["SELECT ?0", "SELECT ?32767"])
def test_numbers_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(StatementError, match="between"):
        _numbering(text)


@pytest.mark.parametrize(
    ("text", "given", "values"),
    [
        ("SELECT ?, ?", (1, 2), (1, 2)),
        ("SELECT ?, ?", [1, 2], (1, 2)),
        ("SELECT 1", None, ()),
        ("SELECT :b, @a", {"a": 1, "b": 2, "c": 3}, (2, 1)),
        ("SELECT :b, @a", (1, 2), (1, 2)),
        ("SELECT $x::y(z)", {"x::y(z)": 5}, (5,)),
    ],
)
def test_bindings_become_a_sequence(text: str, given: object, values: tuple[object, ...]) -> None:
    assert bind(_numbering(text), given) == values


@pytest.mark.parametrize(
    ("text", "given", "error", "message"),
    [
        ("SELECT ?, ?", (1,), MissingParameterError, "uses 2, and there are 1"),
        ("SELECT ?", None, MissingParameterError, "uses 1, and there are 0"),
        ("SELECT ?", (1, 2), StatementError, "uses 1, and there are 2"),
        ("SELECT :a", {}, MissingParameterError, ":a"),
        ("SELECT ?", {"a": 1}, StatementError, "no name"),
        ("SELECT ?3", {"3": 1}, StatementError, "no name"),
    ],
)
def test_bindings_that_do_not_fit_are_refused(
    text: str, given: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        bind(_numbering(text), given)


def test_a_sequence_is_used_up_by_the_statements_of_a_script() -> None:
    numberings = [_numbering(text) for text in ("SELECT ?", "SELECT 1", "SELECT ?, ?")]
    assert distribute(numberings, (1, 2, 3)) == [(1,), (), (2, 3)]


def test_a_mapping_serves_every_statement_of_a_script() -> None:
    numberings = [_numbering(text) for text in ("SELECT :a", "SELECT :b, :a")]
    assert distribute(numberings, {"a": 1, "b": 2}) == [(1,), (2, 1)]


@pytest.mark.parametrize(
    ("given", "error"), [((1,), MissingParameterError), ((1, 2, 3), StatementError)]
)
def test_a_sequence_that_does_not_fit_a_script_is_refused(
    given: tuple[int, ...], error: type[Exception]
) -> None:
    with pytest.raises(error, match="uses 2"):
        distribute([_numbering("SELECT ?"), _numbering("SELECT ?")], given)
