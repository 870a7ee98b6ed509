"""Which conditions are written into a view that groups rows: text for text."""

from __future__ import annotations

import pytest

from sessions_vtab.sql.lexer import classify, tokenize
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.source import parsed
from sessions_vtab.sql.view_conditions import with_view_conditions

from .sql_tables import FANNING, TestCatalog

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


def _made(text: str, catalog: TestCatalog | None = None) -> str:
    tokens = tokenize(text)
    source = parsed(text, tokens, classify(tokens), number(tokens))
    return text if source is None else with_view_conditions(source, catalog or TestCatalog()).text


def _into(text: str) -> str:
    made = _made(text)
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
    "SELECT * FROM sessions s RIGHT JOIN turns t ON t.session_id = s.session_id AND s.user_id <> t.asked",
    "SELECT * FROM sessions s FULL JOIN turns t ON t.session_id = s.session_id AND s.user_id = 'ann'",
    f"SELECT * FROM turns t FULL JOIN keys k ON k.id = t.session_id WHERE t.session_id IN ({OF_ANN}) IS NOT TRUE",
    f"SELECT * FROM sessions s LEFT JOIN turns t ON 1 WHERE (t.session_id IN ({OF_ANN})) IS NOT TRUE",
    f"SELECT * FROM sessions s LEFT JOIN turns t ON 1 WHERE coalesce(t.session_id, 'x') IN ({OF_ANN})",
    # Another call, or another reading, may give other rows.
    "SELECT * FROM turns t WHERE session_id IN (SELECT id FROM keys WHERE random() > 0)",
    "SELECT * FROM turns t WHERE session_id IN (SELECT own_function(id) FROM keys)",
    (
        "WITH k AS NOT MATERIALIZED (SELECT id FROM keys LIMIT 3)"
        " SELECT * FROM k JOIN turns t ON t.session_id = k.id"
    ),
    (
        "SELECT * FROM (SELECT id FROM keys WHERE random() LIMIT 3) k"
        " JOIN turns t ON t.session_id = k.id"
    ),
    # In quotation marks, it would be taken for a column of the view.
    (
        'SELECT * FROM (SELECT id FROM keys WHERE kind = "session_id") k'
        " JOIN turns t ON t.session_id = k.id"
    ),
    # SQLite refuses an index of a view, and names that only the view's text knows.
    f"SELECT * FROM turns t INDEXED BY i WHERE session_id IN ({OF_ANN})",
    "SELECT * FROM turns t WHERE session_id IN (SELECT id FROM keys WHERE a = _row_author)",
    'SELECT * FROM turns t WHERE session_id IN (SELECT id FROM keys WHERE a = "_row_author")',
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
    assert _made(text) is text


def test_a_condition_that_moves_is_asked_once() -> None:
    text = f"SELECT asked FROM turns WHERE session_id IN ({OF_ANN}) AND errors = 0"
    made = _made(text)

    assert made.count(OF_ANN) == 1
    assert made.endswith(') AS "turns" WHERE 1 AND errors = 0')


def test_a_name_that_may_be_ambiguous_stays() -> None:
    """SQLite refuses it where ``keys`` has such a column, too."""
    text = f"SELECT asked FROM turns, keys WHERE session_id IN ({OF_ANN})"
    made = _made(text)

    assert made.endswith(' AS "turns", keys WHERE (1 OR session_id)')


def test_a_view_that_narrows_another_one_is_narrowed_itself() -> None:
    text = (
        "SELECT 1 FROM turns a JOIN turns t ON t.session_id = a.session_id"
        f" WHERE a.session_id IN ({OF_ANN})"
    )
    made = _made(text)

    assert "turns" not in {token.text for token in tokenize(made)}


def test_the_names_of_results_stay() -> None:
    text = (
        f"SELECT (SELECT count(*) FROM turns WHERE session_id IN ({OF_ANN})), user_id FROM sessions"
    )
    made = _made(text)

    assert f'AS "(SELECT count(*) FROM turns WHERE session_id IN ({OF_ANN}))"' in made


ONCE = [
    (
        "SELECT n FROM (SELECT id FROM keys LIMIT ?) k JOIN turns t ON t.session_id = k.id",
        'WITH "_once_3" AS MATERIALIZED (SELECT id FROM keys LIMIT ?1) SELECT n FROM "_once_3" k',
        'SELECT k.id FROM "_once_3" AS "k"',
    ),
    (
        "WITH c AS (SELECT 1) SELECT n FROM c, (SELECT id FROM keys LIMIT 3) JOIN turns t ON t.session_id = id",
        "",
        "",
    ),
    (
        (
            "WITH c AS (SELECT 1) SELECT n FROM (SELECT id FROM keys LIMIT 3) k NATURAL JOIN c"
            " JOIN turns t ON t.session_id = k.id"
        ),
        'WITH c AS (SELECT 1) , "_once_10" AS MATERIALIZED (SELECT id FROM keys LIMIT 3) SELECT n',
        'SELECT k.id FROM "_once_10" AS "k"',
    ),
    (
        "WITH k AS (SELECT id FROM keys LIMIT 3) SELECT n FROM k JOIN turns t ON t.session_id = k.id",
        "WITH k AS MATERIALIZED (SELECT id FROM keys LIMIT 3) SELECT n FROM k",
        'SELECT k.id FROM "k" AS "k"',
    ),
]


@pytest.mark.parametrize(("text", "begins", "reads"), ONCE, ids=[one[0] for one in ONCE])
def test_a_query_with_limit_is_read_once(text: str, begins: str, reads: str) -> None:
    made = _made(text)

    assert made.startswith(begins or text)
    assert _into(text) == (f'("t"."session_id" IN ({reads}))' if reads else "")


FANS_OUT = TestCatalog(table_names=frozenset(FANNING), tables=FANNING)

# A statement, and what is written into it; {} is where.
IMPLIED = [
    (
        (
            "SELECT 1 FROM events e WHERE EXISTS (SELECT 1 FROM sessions s"
            " WHERE s.session_id = e.session_id AND s.user_id = ?){}"
        ),
        ' AND "e"."session_id" IN (SELECT s.session_id FROM sessions s WHERE (s.user_id = ?1))',
    ),
    (
        (
            "SELECT 1 FROM events e WHERE (SELECT user_id FROM sessions"
            " WHERE session_id = e.session_id LIMIT 1) = 'ann'{} AND 1"
        ),
        """ AND "e"."session_id" IN (SELECT session_id FROM sessions WHERE ((user_id) = 'ann'))""",
    ),
    (
        "SELECT 1 FROM events e WHERE (session_id, author) IN (SELECT id, kind FROM keys){}",
        (
            ' AND "e"."session_id" IN'
            ' (WITH "_row"("_0", "_1") AS (SELECT id, kind FROM keys) SELECT "_0" FROM "_row")'
        ),
    ),
    (
        f"{OF_ANN} AND session_id IN (SELECT session_id FROM events{{}})",
        (
            """ WHERE ("events"."session_id" IN"""
            " (SELECT session_id FROM sessions WHERE (user_id = 'ann')))"
        ),
    ),
    (
        "SELECT 1 FROM keys k WHERE k.id IN (SELECT e.session_id FROM events e{})",
        ' WHERE ("e"."session_id" IN (SELECT k.id FROM keys k))',
    ),
    (
        f"{OF_ANN} AND name NOT IN (SELECT session_name FROM event_parts{{}} GROUP BY 1)",
        (
            """ WHERE ("event_parts"."session_name" IN"""
            " (SELECT name FROM sessions WHERE (user_id = 'ann')))"
        ),
    ),
    (
        f"{OF_ANN} EXCEPT SELECT session_id FROM events{{}}",
        (
            """ WHERE ("events"."session_id" IN"""
            " (SELECT session_id FROM sessions WHERE (user_id = 'ann')))"
        ),
    ),
    # LIMIT may end the reading early.
    (
        "SELECT 1 FROM sessions WHERE session_id NOT IN (SELECT session_id FROM events{}) LIMIT 3",
        ' WHERE ("sessions"."session_id" = "events"."session_id")',
    ),
    (
        "SELECT 1 FROM keys k WHERE k.id IN (SELECT session_id FROM events{}) LIMIT 3",
        ' WHERE ("events"."session_id" IN (SELECT k.id FROM keys k))',
    ),
    (
        (
            f"{OF_ANN} AND session_id IN (SELECT sessions.session_id FROM sessions JOIN events"
            " USING (session_id){}) LIMIT 3"
        ),
        (
            """ WHERE ("sessions"."session_id" IN"""
            " (SELECT session_id FROM sessions WHERE (user_id = 'ann')))"
        ),
    ),
    (
        f"{OF_ANN} AND session_id IN (SELECT id FROM keys UNION SELECT session_id FROM events{{}})",
        (
            """ WHERE ("events"."session_id" IN"""
            " (SELECT session_id FROM sessions WHERE (user_id = 'ann')))"
        ),
    ),
]


@pytest.mark.parametrize(("text", "implied"), IMPLIED, ids=[one for one, _ in IMPLIED])
def test_what_a_subquery_implies_is_said_as_well(text: str, implied: str) -> None:
    made = _made(text.format(""), FANS_OUT)

    assert made.replace("?1", "?") == text.format(implied).replace("?1", "?")


NOT_IMPLIED = [
    # The sessions are known already, or reading them costs no request for each.
    "SELECT 1 FROM events e WHERE session_id = 'x' AND (session_id, author) IN (SELECT id, a FROM keys)",
    "SELECT 1 FROM sessions s WHERE EXISTS (SELECT 1 FROM keys WHERE keys.id = s.session_id)",
    f"{OF_ANN} AND session_id IN (SELECT session_id FROM events WHERE session_id = 'x')",
    f"{OF_ANN} AND session_id IN (SELECT event_id FROM events)",
    "SELECT 1 FROM sessions WHERE session_id IN (SELECT session_id FROM events)",
    # It can be true where nothing is found.
    "SELECT 1 FROM events e WHERE NOT EXISTS (SELECT 1 FROM keys k WHERE k.id = e.session_id)",
    "SELECT 1 FROM events e WHERE EXISTS (SELECT count(*) FROM keys k WHERE k.id = e.session_id)",
    "SELECT 1 FROM events e WHERE EXISTS (SELECT total(a) FROM keys k WHERE k.id = e.session_id)",
    "SELECT 1 FROM events e WHERE EXISTS (SELECT own(a) FROM keys k WHERE k.id = e.session_id)",
    "SELECT 1 FROM events e WHERE (SELECT k.a FROM keys k WHERE k.id = e.session_id) <> 'x'",
    "SELECT 1 FROM events e WHERE (SELECT max(user_id) FROM sessions s WHERE s.session_id = e.session_id) = 'x'",
    "SELECT 1 FROM events e WHERE (SELECT create_time FROM sessions s WHERE s.session_id = e.session_id) = '2026-01-01'",
    "SELECT 1 FROM events e WHERE author = 'x' OR EXISTS (SELECT 1 FROM keys k WHERE k.id = e.session_id)",
    # NULL would take the place of FALSE.
    f"{OF_ANN} AND session_id NOT IN (SELECT k.id FROM keys k JOIN events e ON e.session_id = k.id)",
    f"{OF_ANN} AND user_id NOT IN (SELECT session_id FROM events)",
    (
        "SELECT 1 FROM keys k LEFT JOIN sessions s ON s.session_id = k.id"
        " WHERE k.a = 'x' AND s.session_id NOT IN (SELECT session_id FROM events)"
    ),
    "SELECT count(*), session_id IN (SELECT session_id FROM events) FROM sessions WHERE user_id = 'ann'",
    "SELECT 1 AS k FROM sessions WHERE user_id = 'ann' EXCEPT SELECT session_id FROM events",
    "SELECT max(x), session_id FROM sessions WHERE user_id = 'a' EXCEPT SELECT 1, session_id FROM events",
    f"{OF_ANN} UNION SELECT session_id FROM events",
    # ON is asked of rows that WHERE leaves out.
    (
        "SELECT 1 FROM sessions s LEFT JOIN keys k ON s.session_id IN (SELECT session_id FROM events)"
        " WHERE k.id IS NULL AND s.user_id = 'ann'"
    ),
    # LIMIT chooses among all rows.
    f"{OF_ANN} AND session_id IN (SELECT session_id FROM events LIMIT 3)",
    f"{OF_ANN} AND session_id IN (SELECT id FROM keys UNION SELECT session_id FROM events LIMIT 3)",
    # Other values would be compared.
    "SELECT 1 FROM sessions WHERE random() > 0 AND session_id IN (SELECT session_id FROM events)",
    f"{OF_ANN} AND session_id IN (SELECT session_id COLLATE NOCASE FROM events)",
]


@pytest.mark.parametrize("text", NOT_IMPLIED)
def test_nothing_is_implied_where_it_could_change_rows_or_would_save_nothing(text: str) -> None:
    assert _made(text, FANS_OUT) is text


LEFT = "FROM sessions s LEFT JOIN turns t ON t.session_id = s.session_id"
NOT_THE_FIRST = [
    f"SELECT count(*) {LEFT} LIMIT 1",
    f"SELECT own(t.errors) {LEFT} LIMIT 1",
    f"SELECT DISTINCT t.errors {LEFT} LIMIT 1",
    f"SELECT s.name {LEFT} GROUP BY 1 LIMIT 1",
    f"SELECT s.name {LEFT} WHERE t.errors IS NULL LIMIT 1",
    f"SELECT s.name {LEFT} ORDER BY t.started LIMIT 1",
    f"SELECT s.name {LEFT} ORDER BY 1 LIMIT 1",
    f"SELECT lower(s.user_id) AS user_id {LEFT} ORDER BY user_id LIMIT 1",
    f"SELECT s.name {LEFT} WHERE s.page_size = 3 LIMIT 1",
    f"SELECT s.name, row_number() OVER () {LEFT} LIMIT 1",
    f"SELECT s.name {LEFT} LIMIT -1",
    f"SELECT s.name {LEFT} JOIN keys k LIMIT 1",
    f"SELECT s.name {LEFT} WHERE random() > 0 LIMIT 1",
]


@pytest.mark.parametrize("text", NOT_THE_FIRST)
def test_the_left_side_is_not_limited_where_others_decide_which_rows_come(text: str) -> None:
    assert "_once" not in _made(text)


def test_limit_ends_the_reading_of_the_left_side() -> None:
    text = f"SELECT t.asked {LEFT} WHERE s.user_id = ? ORDER BY s.name DESC LIMIT ? OFFSET 3"

    made = _made(text)

    limited = (
        "FROM sessions s WHERE s.user_id = ?1 ORDER BY s.name DESC LIMIT"
        " CASE WHEN ?2 BETWEEN 0 AND 1000000 AND 3 <= 1000000 THEN ?2 + max(3, 0) ELSE -1 END)"
    )
    assert made.startswith('WITH "_once_5" AS MATERIALIZED (SELECT "name", ')
    assert limited in made
    assert made.endswith(" WHERE s.user_id = ?1 ORDER BY s.name DESC LIMIT ?2 OFFSET 3")


MANY_JOINS = (
    "WITH w AS (SELECT session_id, 1 AS n FROM sessions EXCEPT SELECT session_id, 1 FROM turns)"
    " SELECT * FROM (SELECT session_id, 1 AS n FROM sessions EXCEPT SELECT session_id, 1 FROM events) a"
    " FULL JOIN turns b ON a.session_id = b.session_id AND a.session_id IN (SELECT session_id FROM turns)"
    " RIGHT JOIN w c ON a.n IS 1 AND a.session_id = c.session_id"
    " AND NOT (c.session_id IN (SELECT q.session_id FROM sessions q WHERE q.user_id = 'ann'))"
    " RIGHT JOIN events d ON a.session_id = d.session_id WHERE a.session_id = 'x'"
)


def test_what_is_said_of_many_joins_does_not_grow_without_end() -> None:
    """Each round may name all that the one before has said: four made 60 000 characters, in 5 s."""
    assert len(_made(MANY_JOINS, FANS_OUT)) < 30_000
