from __future__ import annotations

import pytest
from sql_tables import TestCatalog

from sessions_vtab.sql.analysis import analyse
from sessions_vtab.sql.fast_path import needs_parsing
from sessions_vtab.sql.lexer import classify, tokenize
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.plan_arguments import splice_plans
from sessions_vtab.sql.shapes import partners
from sessions_vtab.sql.source import parsed

ENOUGH = [
    "SELECT * FROM sessions",
    "SELECT * FROM sessions ORDER BY create_time DESC LIMIT 3;",
    "SELECT * FROM sessions, events",
    "SELECT count(*) FROM prod.sessions UNION ALL SELECT 1 FROM events",
    "SELECT * FROM sessions WHERE session_id = ?",
    "SELECT * FROM sessions WHERE session_id = 'a' AND user_id >= :u LIMIT 1",
    "SELECT s.name FROM prod.sessions AS s WHERE s.session_id = ?;",
    'SELECT "s".name FROM sessions "s" WHERE "s"."session_id" == 1.5 ORDER BY 1',
    "SELECT user_id, count(*) FROM sessions WHERE user_id <> 'a' GROUP BY 1",
    "INSERT INTO native SELECT * FROM sessions",
    "INSERT INTO sessions(session_id, user_id) VALUES ('a', ?)",
    "INSERT OR IGNORE INTO prod.sessions (session_id) SELECT user_id FROM events",
    "DELETE FROM sessions",
]

NOT_ENOUGH = [
    "SELECT * FROM sessions WHERE NOT session_id = 'a'",
    "SELECT * FROM sessions WHERE session_id = 'a' OR user_id = 'b'",
    "SELECT * FROM sessions WHERE session_id = 'a' COLLATE NOCASE",
    "SELECT * FROM sessions WHERE session_id = 'a' AND labels->>'k' = 'v'",
    "SELECT * FROM sessions WHERE session_id = user_id",
    "SELECT * FROM sessions WHERE session_id = 'a' || 'b'",
    "SELECT * FROM sessions WHERE create_time > '2026-01-01'",
    "SELECT * FROM sessions WHERE x.session_id = 'a'",
    "SELECT * FROM sessions WHERE no_column = 'a'",
    "SELECT * FROM native WHERE session_id = 'a'",
    "SELECT * FROM sessions, events WHERE user_id = 'a'",
    "SELECT * FROM sessions NOT INDEXED WHERE user_id = 'a'",
    "SELECT * FROM sessions JOIN events USING (session_id)",
    "SELECT * FROM sessions WHERE user_id = 'a' UNION SELECT * FROM sessions",
    "SELECT * FROM sessions WHERE user_id = 'a' INTERSECT VALUES (1)",
    "SELECT (SELECT 1 FROM events) FROM sessions WHERE user_id = 'a'",
    "SELECT count(*) FILTER (WHERE user_id = 'a') FROM sessions",
    "SELECT * FROM sessions('a')",
    "INSERT INTO native SELECT * FROM prod.sessions('a')",
    "SELECT * FROM sessions NATURAL JOIN events",
    "SELECT * FROM sessions WHERE",
    "SELECT * FROM sessions WHERE session_id",
    "SELECT * FROM sessions WHERE s.",
    "SELECT 1 WHERE session_id = 'a'",
    "WITH sessions AS (SELECT 1) SELECT * FROM sessions WHERE user_id = 'a'",
    "DELETE FROM sessions WHERE session_id = 'a'",
]


@pytest.mark.parametrize("statement", ENOUGH)
def test_tokens_are_enough(statement: str) -> None:
    tokens = tokenize(statement)
    assert not needs_parsing(tokens, TestCatalog())
    pairs = partners(tokens)
    source = parsed(statement, tokens, classify(tokens), number(tokens))
    assert source is not None
    found, times = analyse(source, TestCatalog())
    assert (splice_plans(tokens, pairs, found)[1], times) == ({}, [])


@pytest.mark.parametrize("statement", NOT_ENOUGH)
def test_the_tree_has_to_be_read(statement: str) -> None:
    assert needs_parsing(tokenize(statement), TestCatalog())
