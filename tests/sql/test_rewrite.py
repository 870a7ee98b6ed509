from __future__ import annotations

import subprocess
import sys

import apsw
import pytest
from sql_tables import TestCatalog

from sessions_vtab.contract.predicate import AnyOf, Compare, Field, Op, Slot
from sessions_vtab.errors import InvalidValueError, MissingParameterError, SessionsError
from sessions_vtab.sql.plans import Link
from sessions_vtab.sql.rewrite import Rewritten, rewrite


def _rewrite(text: str) -> Rewritten:
    return rewrite(text, TestCatalog())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "SELECT * FROM sessions AS s WHERE labels->>'env' = ? -- c",
            "SELECT * FROM sessions('labels->>''env'' = ?1', json_array(?1)) AS s WHERE labels->>'env' = ?1",
        ),
        (
            "SELECT * FROM sessions WHERE display_name NOT LIKE 'a%'",
            "SELECT * FROM sessions('display_name NOT LIKE ?1', json_array('a%')) WHERE display_name NOT LIKE 'a%'",
        ),
        (
            "SELECT 1 FROM sessions WHERE user_id = 'a' OR user_id IS NULL",
            "SELECT 1 FROM sessions('user_id = ?1 OR user_id IS NULL', json_array('a')) WHERE user_id = 'a' OR user_id IS NULL",
        ),
        (
            "SELECT 1 FROM sessions WHERE labels->>'a' IS NULL",
            "SELECT 1 FROM sessions('labels->>''a'' IS NULL') WHERE labels->>'a' IS NULL",
        ),
        (
            'SELECT 1 FROM "main".[sessions] s, prod.events e WHERE NOT (s.user_id = :u OR e.author = :a)',
            "SELECT 1 FROM \"main\".[sessions]('user_id <> ?1', json_array(?1)) s, prod.events('author <> ?1', json_array(?2)) e WHERE NOT (s.user_id = ?1 OR e.author = ?2)",
        ),
        (
            "SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events e WHERE e.author = s.user_id OR e.author = 'x')",
            "SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events('author = ?1 OR author = ?2', json_array(s.user_id, 'x')) e WHERE e.author = s.user_id OR e.author = 'x')",
        ),
        (
            "UPDATE sessions SET display_name = ? WHERE labels->>'env' = ? -- c",
            "UPDATE sessions SET display_name = ?1 WHERE \"sessions\".\"_push\" IS NOT 'labels->>''env'' = ?1' AND \"sessions\".\"_args\" IS NOT json_array(?2) AND (labels->>'env' = ?2)",
        ),
        (
            "DELETE FROM sessions AS s WHERE s.labels->>'a' IS NULL OR s.user_id = 'x';",
            "DELETE FROM sessions AS s WHERE \"s\".\"_push\" IS NOT 'labels->>''a'' IS NULL OR user_id = ?1' AND \"s\".\"_args\" IS NOT json_array('x') AND (s.labels->>'a' IS NULL OR s.user_id = 'x');",
        ),
        (
            "SELECT e.text FROM sessions s JOIN events e ON e.session_id = s.session_id WHERE length(s.user_id) > ? LIMIT 5",
            "SELECT e.text FROM sessions('session_id FROM e.session_id; FEEDS s WHERE (length(s.user_id) > ?1); LIMIT', json_array(?1)) s JOIN events('session_id FROM s.session_id; FEEDS e; LIMIT') e ON e.session_id = s.session_id WHERE length(s.user_id) > ?1 LIMIT 5",
        ),
    ],
)
def test_the_text_is_the_users_with_arguments_after_the_tables(text: str, expected: str) -> None:
    assert _rewrite(text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT * FROM native WHERE NOT a = ?",
        "SELECT * FROM sessions",
        "SELECT * FROM sessions WHERE user_id = ? AND session_id IN (?, ?)",
        "SELECT * FROM sessions WHERE user_id = 'a' UNION garbage",
        "SELECT * FROM sessions WHERE NOT user_id = 'unclosed",
        "INSERT INTO sessions(session_id) VALUES (:a)",
        "PRAGMA table_info(sessions)",
        "DROP TABLE sessions",
        "CREATE VIEW v AS SELECT * FROM sessions WHERE NOT user_id = 'a'",
        "/* sessions */",
        "",
    ],
)
def test_where_nothing_is_spliced_the_text_is_the_same_object(text: str) -> None:
    rewritten = _rewrite(text)
    assert rewritten.text is text
    assert rewritten.plain is text
    assert not rewritten.touched


def test_the_plan_is_found_by_its_words() -> None:
    rewritten = _rewrite("SELECT 1 FROM sessions WHERE labels->>'env' = ? OR user_id = 'b'")
    (words, plan), *rest = rewritten.plans.items()
    assert not rest
    assert words == plan.text == "labels->>'env' = ?1 OR user_id = ?2"
    assert plan.predicate == AnyOf(
        (Compare(Field("labels", "env"), Op.EQ, Slot(0)), Compare(Field("user_id"), Op.EQ, Slot(1)))
    )


def test_a_joined_table_knows_where_its_keys_come_from() -> None:
    rewritten = _rewrite(
        "SELECT 1 FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id"
        " WHERE s.user_id = ? AND length(s.display_name) > 3 LIMIT 2"
    )
    outer, inner = rewritten.plans.values()
    assert inner.links == (Link("session_id", "s", "session_id"),)
    assert inner.limited
    assert outer.label == "s"
    assert outer.residual == ("s.user_id = ?1", "length(s.display_name) > ?2")
    assert "json_array(?1, 3)" in rewritten.text


def test_two_occurrences_with_one_alias_have_two_labels() -> None:
    rewritten = _rewrite(
        "SELECT 1 FROM sessions s, events e WHERE e.session_id = s.session_id"
        " UNION ALL SELECT 1 FROM sessions s, events e WHERE e.session_id = s.session_id"
    )
    sources = {link.source for plan in rewritten.plans.values() for link in plan.links}
    assert sources == {"s", "e", "s#2", "e#2"}


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("SELECT user_id || ? FROM sessions WHERE NOT user_id = 'a'", "user_id || ?"),
        ("SELECT :x FROM sessions WHERE NOT user_id = 'a'", ":x"),
        ("SELECT user_id || ? AS u FROM sessions WHERE NOT user_id = 'a'", "u"),
        ("SELECT user_id || ? u FROM sessions WHERE NOT user_id = 'a'", "u"),
        ("SELECT user_id FROM sessions WHERE NOT user_id = ?", "user_id"),
        (
            "SELECT (SELECT count(*) FROM events WHERE NOT author = 'a') FROM sessions",
            "(SELECT count(*) FROM events WHERE NOT author = 'a')",
        ),
        (
            "SELECT * FROM (SELECT ? || user_id FROM sessions WHERE NOT user_id = 'a')",
            "? || user_id",
        ),
        ("SELECT 1 + ? /* c */ FROM sessions WHERE NOT user_id = 'a'", "1 + ? /* c */"),
        (
            "SELECT CASE WHEN ? THEN 1 END FROM sessions WHERE NOT user_id = 'a'",
            "CASE WHEN ? THEN 1 END",
        ),
        (
            "SELECT ? IS NOT DISTINCT FROM user_id FROM sessions WHERE NOT user_id = 'a'",
            "? IS NOT DISTINCT FROM user_id",
        ),
    ],
)
def test_headings_stay_as_they_were(text: str, heading: str) -> None:
    rewritten = _rewrite(text)
    assert rewritten.touched
    native = apsw.Connection(":memory:")
    native.execute("CREATE TABLE sessions(user_id); CREATE TABLE events(author)")
    # Native tables take no arguments: the text without them has the same result columns.
    text_without = rewritten.text
    for words in rewritten.plans:
        quoted = words.replace("'", "''")
        start = text_without.index(f"('{quoted}'")
        depth, end = 0, start
        while depth or end == start:
            depth += (text_without[end] == "(") - (text_without[end] == ")")
            end += 1
        text_without = text_without[:start] + text_without[end:]
    native.execute("INSERT INTO sessions VALUES ('u')")
    found: list[str] = []
    native.exec_trace = lambda cursor, _sql, _values: bool(
        found.extend(c[0] for c in cursor.get_description()) or True
    )
    native.execute(text_without, (0,) * rewritten.numbering.count)
    assert found == [heading]


@pytest.mark.parametrize(
    "value", [b"x", float("inf"), float("-inf"), float("nan"), bytearray(b"x"), object()]
)
def test_values_that_json_cannot_carry_run_the_plain_text(value: object) -> None:
    rewritten = _rewrite("SELECT ?1 FROM sessions WHERE NOT user_id = ?2")
    assert rewritten.choose((value, "a")) is rewritten.text
    assert rewritten.choose(("a", value)) is rewritten.plain
    assert rewritten.plain == "SELECT ?1 FROM sessions WHERE NOT user_id = ?2"


def test_returning_is_taken_off_and_both_parts_know_their_values() -> None:
    rewritten = _rewrite("UPDATE sessions SET display_name = ? WHERE user_id = ? RETURNING name, ?")
    assert rewritten.text == "UPDATE sessions SET display_name = ?1 WHERE user_id = ?2"
    assert rewritten.parameters == 2
    assert rewritten.returning is not None
    assert rewritten.returning.select_list == 'name, ?3 AS "?"'
    assert rewritten.returning.parameters == 3


def test_returning_of_another_table_is_left_to_sqlite() -> None:
    rewritten = _rewrite(
        "INSERT INTO native SELECT name FROM sessions WHERE NOT user_id = 'a' RETURNING count(*)"
    )
    assert rewritten.returning is None
    assert rewritten.text.endswith("RETURNING count(*)")


def test_an_effect_is_definite_even_in_the_plain_text() -> None:
    rewritten = _rewrite(
        "SELECT 1 FROM sessions s, append_event(s.name, 'user') WHERE s.labels->>'a' = ?"
    )
    assert rewritten.effect is not None
    assert rewritten.plain == (
        "SELECT 1 FROM (SELECT * FROM sessions s WHERE (s.labels->>'a' = ?1) LIMIT -1) AS s"
        " CROSS JOIN append_event(s.name, 'user') WHERE TRUE"
    )
    assert "json_array(?1)" in rewritten.text


def test_a_parameter_compared_with_a_time_column_has_to_be_a_time() -> None:
    rewritten = _rewrite("SELECT * FROM sessions WHERE create_time > :since AND user_id = :user")
    assert rewritten.bind({"since": "2026-01-01", "user": "now"}) == ("2026-01-01", "now")
    assert rewritten.bind((None, "x")) == (None, "x")
    with pytest.raises(InvalidValueError, match=r"sessions\.create_time.*'now'"):
        rewritten.bind({"since": "now", "user": "x"})
    with pytest.raises(MissingParameterError, match=":user"):
        rewritten.bind({"since": "2026-01-01"})


@pytest.mark.parametrize(
    "text",
    [
        "SELECT _push FROM sessions",
        'SELECT * FROM sessions WHERE "_ARGS" = 1',
        "SELECT * FROM sessions('a', 'b')",
    ],
)
def test_the_columns_of_plans_are_not_for_users(text: str) -> None:
    with pytest.raises(SessionsError):
        _rewrite(text)


def test_a_long_list_is_left_to_sqlite() -> None:
    values = ", ".join(f"'{number}'" for number in range(2000))
    assert not _rewrite(f"SELECT * FROM sessions WHERE user_id NOT IN ({values})").touched


def test_sqlglot_is_imported_only_where_something_may_be_pushed() -> None:
    script = (
        "import sys\n"
        "from sessions_vtab.contract.functions import FUNCTIONS\n"
        "from sessions_vtab.sql.rewrite import rewrite\n"
        "class Names:\n"
        "    table_names = frozenset(('sessions',))\n"
        "    effect_names = frozenset(('append_event',))\n"
        "    view_names = frozenset()\n"
        "    def resolve(self, schema, name): return None\n"
        "    def effect(self, schema, name): return FUNCTIONS[name]\n"
        "rewrite('SELECT a FROM native WHERE NOT a = ?', Names())\n"
        "rewrite(\"SELECT * FROM append_event('s', 'user')\", Names())\n"
        "rewrite('SELECT * FROM sessions', Names())\n"
        "assert 'sqlglot' not in sys.modules\n"
        "rewrite('SELECT * FROM sessions WHERE NOT a = 1', Names())\n"
        "assert 'sqlglot' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
