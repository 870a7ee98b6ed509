"""Broken statements: reading them fails with an error of ours, or not at all."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from sql_tables import TestCatalog

from sessions_vtab.errors import SessionsError
from sessions_vtab.sql.lexer import split, tokenize
from sessions_vtab.sql.rewrite import rewrite
from sessions_vtab.sql.stackql.dialect import EngineScope
from sessions_vtab.sql.stackql.naming import Sources
from sessions_vtab.sql.stackql.translate import translate

_GOLDEN = [
    line
    for path in sorted((Path(__file__).parent / "golden").glob("*.sql"))
    for line in path.read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("--")
]
_TWO_SOURCES = Sources({"a": EngineScope("p", "l", "1"), "b": EngineScope("p", "l", "2")}, "a")
_STACKQL = [
    "SELECT s.userId, e.* FROM google.aiplatform.sessions s JOIN google.aiplatform.events e USING (sessionsId) WHERE projectsId = 'p' AND locationsId = 'l' AND reasoningEnginesId IN ('1', '2', ?) ORDER BY userId",
    "WITH w(userId) AS (SELECT name FROM google.aiplatform.sessions WHERE projectsId = 'p' AND locationsId = 'l' AND reasoningEnginesId = '2') SELECT * FROM w LEFT JOIN google.aiplatform.sessions s USING (userId), json_each(labels) WHERE s.projectsId = 'p' AND s.locationsId = 'l' AND s.reasoningEnginesId = '1'",
    "INSERT INTO google.aiplatform.sessions (data__userId, projectsId, locationsId, reasoningEnginesId) VALUES ('a', 'p', 'l', '1'), (?, 'p', 'l', ?) RETURNING name",
    "SELECT name, s.* FROM google.aiplatform.sessions s WHERE projectsId = 'p' AND locationsId = 'l' AND reasoningEnginesId IN ('1')",
    "INSERT INTO google.aiplatform.sessions (data__userId, projectsId, locationsId, reasoningEnginesId) SELECT 'a', 'p', 'l', '1' RETURNING name",
    "UPDATE google.aiplatform.sessions SET data__labels = '{}' WHERE projectsId = 'p' AND locationsId = 'l' AND reasoningEnginesId = '1' AND sessionsId = 's' AND updateMask = 'labels' RETURNING name",
    "DELETE FROM google.aiplatform.sessions WHERE projectsId = 'p' AND locationsId = 'l' AND reasoningEnginesId = '1' AND sessionsId = 's'",
    "EXEC google.aiplatform.sessions.append_event @projectsId = 'p', @locationsId = 'l', @reasoningEnginesId = '1', @sessionsId = 's' @@json = '{}'",
    "SHOW EXTENDED METHODS IN google.aiplatform.sessions LIKE '%e%'",
    "SHOW INSERT INTO google.aiplatform.sessions",
    "DESCRIBE METHOD EXTENDED google.aiplatform.sessions.list",
]
_TOKENS = [
    "(",
    ")",
    ",",
    "SELECT",
    "FROM",
    "WHERE",
    "sessions",
    "AND",
    "OR",
    "NOT",
    "'x'",
    "?",
    "=",
    "AS",
    "ON",
    "CONFLICT",
    "RETURNING",
    ";",
    ".",
    "*",
    "JOIN",
    "LEFT",
    "IN",
    "UNION",
    "BETWEEN",
    "CASE",
    "END",
    "WITH",
    "append_event",
    "LIMIT",
    "INDEXED",
    "USING",
    "@",
    "EXEC",
    '"',
]


def _broken(rng: random.Random, text: str) -> str:
    """The text with some tokens taken out, put in, exchanged or cut off."""
    tokens = [token.text for token in tokenize(text)]
    for _ in range(rng.randrange(1, 5)):
        place = rng.randrange(len(tokens) + 1)
        match rng.randrange(7):
            case 0 | 1:
                del tokens[place : place + 1]
            case 2 | 3:
                tokens.insert(place, rng.choice(_TOKENS))
            case 4 | 5:
                tokens[place : place + 1] = [rng.choice(_TOKENS)]
            case _:
                del tokens[place:]
    return " ".join(tokens).replace(" . ", ".")


@pytest.mark.parametrize("seed", range(4))
def test_broken_statements_raise_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(500):
        text = _broken(rng, rng.choice(_GOLDEN))
        try:
            rewrite(text, TestCatalog())
        except SessionsError:
            continue


def test_a_statement_on_which_compiled_sqlglot_fails_is_left_to_sqlite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compiled(*_: object, **__: object) -> None:
        raise TypeError("sqlglot.expressions.core.Expr object expected; got None")

    monkeypatch.setattr("sqlglot.parse", compiled)
    text = "SELECT * FROM sessions WHERE user_id = 'ann' AND - ORDER BY 1"

    assert rewrite(text, TestCatalog()).plain == text


@pytest.mark.parametrize("seed", range(2))
def test_broken_stackql_raises_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(500):
        text = _broken(rng, rng.choice(_STACKQL))
        for sources in (Sources(), _TWO_SOURCES):
            with suppress(SessionsError):
                translate(text, sources)


@pytest.mark.parametrize("seed", range(2))
def test_any_characters_are_tokens_and_statements(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(500):
        text = "".join(rng.choice("'\"`[]-/*;.?:@$1xXé_ \n\0\v") for _ in range(rng.randrange(30)))
        tokens = tokenize(text)
        assert [text[token.start : token.end] for token in tokens] == [
            token.text for token in tokens
        ]
        assert all(one.text and text[one.start :].startswith(one.text) for one in split(text))
