"""Which conditions are written into a view that groups rows: text for text."""

from __future__ import annotations

import pytest

from sessions_vtab.sql.lexer import classify, tokenize
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.view_conditions import with_view_conditions

from .sql_tables import TestCatalog

OF_ANN = "SELECT session_id FROM sessions WHERE user_id = 'ann'"
MADE = '"t"."session_id" IN (SELECT {column} FROM {items} WHERE ({condition}))'

# A statement, and what is put into its one view that is called t.
INTO_THE_VIEW = [
    # Conditions that move.
    (f"SELECT * FROM turns t WHERE session_id IN ({OF_ANN})", f"(session_id IN ({OF_ANN}))"),
    (f"SELECT * FROM turns t WHERE t.session_id IN ({OF_ANN})", f"(t.session_id IN ({OF_ANN}))"),
    (
        f"SELECT * FROM turns t WHERE NOT session_id IN ({OF_ANN})",
        f"(NOT session_id IN ({OF_ANN}))",
    ),
    (
        f"SELECT * FROM turns t WHERE session_id = ({OF_ANN} LIMIT 1)",
        f"(session_id = ({OF_ANN} LIMIT 1))",
    ),
    (
        f"SELECT * FROM turns t WHERE errors > 0 AND invocation_id > 'a' AND session_id IN ({OF_ANN})",
        f"(session_id IN ({OF_ANN}))",
    ),
    (
        f"SELECT * FROM turns t WHERE session_id IN ({OF_ANN}) OR session_id = 'x'",
        f"(session_id IN ({OF_ANN}) OR session_id = 'x')",
    ),
    (
        "SELECT * FROM turns t WHERE session_id IN (SELECT id FROM keys)",
        "(session_id IN (SELECT id FROM keys))",
    ),
    (
        'SELECT * FROM turns t WHERE session_id IN (SELECT id FROM keys WHERE a = "x")',
        '(session_id IN (SELECT id FROM keys WHERE a = "x"))',
    ),
    ("WITH k(id) AS (SELECT 1) SELECT * FROM turns t WHERE session_id IN k", "(session_id IN k)"),
    (
        "SELECT * FROM usage_by_session t WHERE user_id IN (SELECT id FROM users)",
        "(user_id IN (SELECT id FROM users))",
    ),
    (
        "SELECT * FROM tool_calls t WHERE call_id IN (SELECT id FROM keys WHERE a = ? AND b = :b)",
        "(call_id IN (SELECT id FROM keys WHERE a = ?1 AND b = ?2))",
    ),
    # Of a correlated subquery.
    (
        "SELECT 1 FROM sessions s WHERE EXISTS (SELECT 1 FROM turns t WHERE t.session_id = s.session_id)",
        "(t.session_id = s.session_id)",
    ),
    (
        "SELECT (SELECT count(*) FROM turns t WHERE session_name = name) FROM sessions",
        "(session_name = name)",
    ),
    (
        (
            "SELECT 1 FROM keys k WHERE EXISTS (SELECT 1 FROM turns t WHERE t.session_id = k.id"
            f" AND t.session_id IN ({OF_ANN}))"
        ),
        f"(t.session_id = k.id) AND (t.session_id IN ({OF_ANN}))",
    ),
    # Joins.
    (
        "SELECT * FROM sessions s JOIN turns t ON t.session_id = s.session_id WHERE s.user_id = ?",
        f"({MADE.format(column='s.session_id', items='sessions s', condition='s.user_id = ?1')})",
    ),
    (
        "SELECT * FROM turns t, sessions s WHERE s.session_id = t.session_id AND user_id = 'ann'",
        "("
        + MADE.format(column="s.session_id", items="sessions s", condition="user_id = 'ann'")
        + ")",
    ),
    (
        "SELECT * FROM sessions s LEFT JOIN turns t USING (session_id) WHERE s.user_id = 'ann'",
        "("
        + MADE.format(column='"s"."session_id"', items="sessions s", condition="s.user_id = 'ann'")
        + ")",
    ),
    (
        "SELECT * FROM keys k JOIN turns t ON t.session_id = k.id",
        '("t"."session_id" IN (SELECT k.id FROM keys k))',
    ),
    (
        (
            "SELECT * FROM users u JOIN sessions s ON s.user_id = u.id"
            " JOIN turns t ON t.session_id = s.session_id WHERE u.team = 'x'"
        ),
        "("
        + MADE.format(
            column="s.session_id",
            items="users u, sessions s",
            condition="u.team = 'x') AND (s.user_id = u.id",
        )
        + ")",
    ),
]


def _into(text: str) -> str:
    tokens = tokenize(text)
    made = with_view_conditions(text, tokens, classify(tokens), number(tokens), TestCatalog())
    _, found, after = made.partition(') AS "t" WHERE ')
    return after.partition("\n")[0].strip() if found else ""


@pytest.mark.parametrize(
    ("text", "conditions"), INTO_THE_VIEW, ids=[one for one, _ in INTO_THE_VIEW]
)
def test_what_sqlite_does_not_pass_on_is_put_into_the_view(text: str, conditions: str) -> None:
    assert _into(text) == conditions


AS_WRITTEN = [
    # SQLite passes it on by itself.
    "SELECT * FROM turns t",
    "SELECT * FROM turns t WHERE session_id = 'x'",
    "SELECT * FROM turns t WHERE session_id IN ('x', ?)",
    # It is about what is made of the rows, or about other rows as well.
    f"SELECT * FROM turns t WHERE asked IN ({OF_ANN})",
    f"SELECT * FROM turns t WHERE errors > 0 OR session_id IN ({OF_ANN})",
    f"SELECT session_id FROM turns t GROUP BY 1 HAVING session_id IN ({OF_ANN})",
    "SELECT * FROM turns t JOIN sessions s ON t.session_id = s.session_id",
    "SELECT * FROM turns t LEFT JOIN sessions s ON t.session_id = s.session_id AND s.user_id = 'ann'",
    "SELECT * FROM turns t RIGHT JOIN sessions s ON t.session_id = s.session_id WHERE s.user_id = 'ann'",
    "SELECT * FROM sessions s FULL JOIN turns t ON t.session_id = s.session_id WHERE s.user_id = 'ann'",
    f"SELECT * FROM sessions s LEFT JOIN turns t ON 1 WHERE (t.session_id IN ({OF_ANN})) IS NOT TRUE",
    f"SELECT * FROM sessions s LEFT JOIN turns t ON 1 WHERE coalesce(t.session_id, 'x') IN ({OF_ANN})",
    # Another call, or another reading, may give other rows.
    "SELECT * FROM turns t WHERE session_id IN (SELECT id FROM keys WHERE random() > 0)",
    "SELECT * FROM turns t WHERE session_id IN (SELECT own_function(id) FROM keys)",
    "SELECT * FROM (SELECT id FROM keys LIMIT 3) k JOIN turns t ON t.session_id = k.id",
    "WITH k AS (SELECT id FROM keys LIMIT 3) SELECT * FROM k JOIN turns t ON t.session_id = k.id",
    "SELECT * FROM keys k JOIN turns t ON t.session_id = k.id || random()",
    # The name means something else.
    f"WITH turns AS (SELECT 1 AS session_id) SELECT * FROM turns t WHERE session_id IN ({OF_ANN})",
    f"SELECT * FROM other.turns t WHERE session_id IN ({OF_ANN})",
    f"SELECT * FROM sessions turns WHERE turns.session_id IN ({OF_ANN})",
    # In quotation marks, what is not a column where it stands would be taken for a text.
    'SELECT * FROM turns t WHERE session_id IN (SELECT id FROM keys WHERE "events" = 4)',
    'SELECT * FROM turns t, keys WHERE t.session_id IN (SELECT a FROM others WHERE "id" = 4)',
    (
        "SELECT * FROM turns t"
        ' WHERE (session_id, errors) IN (SELECT id, a FROM keys WHERE "events" = 4)'
    ),
    (
        "SELECT * FROM (SELECT session_id, count(*) AS n FROM turns GROUP BY 1) t"
        ' WHERE session_id IN (SELECT id FROM keys WHERE "n" = 4)'
    ),
    # In a correlated subquery, a column of a native table may be that of the table around it.
    (
        "SELECT 1 FROM sessions s WHERE EXISTS"
        " (SELECT 1 FROM turns t WHERE t.session_id IN (SELECT id FROM keys WHERE user_id = 'x'))"
    ),
]


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_what_is_not_sound_or_of_no_use_stays_as_it_is_written(text: str) -> None:
    tokens = tokenize(text)

    made = with_view_conditions(text, tokens, classify(tokens), number(tokens), TestCatalog())

    assert made is text


def test_a_condition_that_moves_is_asked_once() -> None:
    text = f"SELECT asked FROM turns WHERE session_id IN ({OF_ANN}) AND errors = 0"
    tokens = tokenize(text)

    made = with_view_conditions(text, tokens, classify(tokens), number(tokens), TestCatalog())

    assert made.count(OF_ANN) == 1
    assert made.endswith(') AS "turns" WHERE 1 AND errors = 0')


def test_a_name_that_may_be_ambiguous_stays() -> None:
    """SQLite refuses it where ``keys`` has such a column, too."""
    text = f"SELECT asked FROM turns, keys WHERE session_id IN ({OF_ANN})"
    tokens = tokenize(text)

    made = with_view_conditions(text, tokens, classify(tokens), number(tokens), TestCatalog())

    assert made.endswith(' AS "turns", keys WHERE (1 OR session_id)')


def test_a_view_that_narrows_another_one_is_narrowed_itself() -> None:
    text = (
        "SELECT 1 FROM turns a JOIN turns t ON t.session_id = a.session_id"
        f" WHERE a.session_id IN ({OF_ANN})"
    )
    tokens = tokenize(text)

    made = with_view_conditions(text, tokens, classify(tokens), number(tokens), TestCatalog())

    assert "turns" not in {token.text for token in tokenize(made)}


def test_the_names_of_results_stay() -> None:
    text = (
        f"SELECT (SELECT count(*) FROM turns WHERE session_id IN ({OF_ANN})), user_id FROM sessions"
    )
    tokens = tokenize(text)

    made = with_view_conditions(text, tokens, classify(tokens), number(tokens), TestCatalog())

    assert f'AS "(SELECT count(*) FROM turns WHERE session_id IN ({OF_ANN}))"' in made
