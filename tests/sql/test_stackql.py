"""StackQL's text: the statements of the reference page, and the rules around them."""

from __future__ import annotations

import pytest

from sessions_vtab import __version__
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    StatementError,
    UnknownNameError,
    UnsupportedError,
)
from sessions_vtab.sql.stackql import is_stackql
from sessions_vtab.sql.stackql.dialect import EngineScope, ResultShape, StaticResult, Translation
from sessions_vtab.sql.stackql.naming import Sources
from sessions_vtab.sql.stackql.translate import translate
from tests.sql.conftest import EXEC, SCOPE, sql_of, translation_of

_T = "google.aiplatform.sessions"


_WHERE = "projectsId = 'p' AND locationsId = 'l' AND reasoningEnginesId = '1'"


_OURS = "project = 'p' AND location = 'l' AND reasoning_engine = '1'"


_COMPACT = (
    "EXEC google.aiplatform.sessions.compact @projectsId='p', @locationsId='l',"
    " @reasoningEnginesId='1', @sessionsId='s'"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"SELECT userId FROM {_T} s WHERE {_WHERE}",
            f'SELECT user_id AS "userId" FROM sessions s WHERE {_OURS}',
        ),
        (
            f"SELECT s.userId AS u, s.labels FROM {_T} AS s WHERE {_WHERE}",
            f'SELECT s.user_id AS u, s.labels AS "labels" FROM sessions AS s WHERE {_OURS}',
        ),
        (
            f"SELECT upper(userId) || ? FROM {_T} WHERE {_WHERE}",
            f'SELECT upper(user_id) || ?1 AS "upper(userId) || ?" FROM sessions WHERE {_OURS}',
        ),
        (
            f"SELECT 'userId', count(*) FROM {_T} WHERE {_WHERE}",
            f"SELECT 'userId', count(*) FROM sessions WHERE {_OURS}",
        ),
        (
            f"SELECT projectsId FROM {_T} WHERE {_WHERE} ORDER BY createTime DESC",
            f'SELECT project AS "projectsId" FROM sessions WHERE {_OURS} ORDER BY create_time DESC',
        ),
        (
            f"SELECT 1 FROM {_T} WHERE {_WHERE} AND pageSize = 5 AND filter = 'x' AND orderBy = '' AND pageToken = ''",
            f"SELECT 1 FROM sessions WHERE {_OURS} AND page_size = 5 AND filter = 'x' AND TRUE AND TRUE",
        ),
        (
            f"SELECT 1 FROM {_T} WHERE {_WHERE} # tail\n AND userId = 'http://x' // tail",
            f"SELECT 1 FROM sessions WHERE {_OURS} AND user_id = 'http://x'",
        ),
        (
            f"SELECT 1 FROM {_T} WHERE {_WHERE.replace(chr(39) + '1' + chr(39), '?')} AND userId = :u",
            "SELECT 1 FROM sessions WHERE project = 'p' AND location = 'l' AND reasoning_engine = ?1 AND user_id = ?2",
        ),
        (
            f"DELETE FROM {_T} WHERE {_WHERE} AND sessionsId IN ('a', 'b')",
            f"DELETE FROM sessions WHERE {_OURS} AND session_id IN ('a', 'b')",
        ),
        (
            f"UPDATE {_T} SET data__displayName = ? WHERE {_WHERE} AND sessionsId = ?",
            f"UPDATE sessions SET display_name = CASE ?1 WHEN '' THEN display_name ELSE ?1 END WHERE {_OURS} AND session_id = ?2",
        ),
        (
            f"UPDATE {_T} SET data__labels = '{{}}' WHERE {_WHERE} AND sessionsId = 's' AND updateMask = ''",
            f"UPDATE sessions SET labels = '{{}}' WHERE {_OURS} AND session_id = 's' AND TRUE",
        ),
    ],
)
def test_names_are_translated_and_restored_in_headings(text: str, expected: str) -> None:
    assert sql_of(text) == expected


def test_a_star_is_stackqls_columns() -> None:
    sql = sql_of(f"SELECT * FROM {_T} WHERE {_WHERE}")
    assert sql.startswith(
        'SELECT "sessions"."name" AS "name", "sessions"."create_time" AS "createTime", '
    )
    assert sql.count(" AS ") == 9


def test_unqualified_parameters_are_meant_for_every_resource() -> None:
    text = f"SELECT e.author FROM {_T} s JOIN google.aiplatform.events e ON e.sessionsId = s.sessionsId WHERE projectsId IN ('p') AND locationsId = 'l' AND reasoningEnginesId = ? AND s.userId = ?"
    assert sql_of(text) == (
        'SELECT e.author AS "author" FROM sessions s JOIN events e ON e.session_id = s.session_id'
        ' WHERE "s"."project" IN (\'p\') AND "e"."project" IN (\'p\')'
        ' AND "s"."location" = \'l\' AND "e"."location" = \'l\''
        ' AND "s"."reasoning_engine" = ?1 AND "e"."reasoning_engine" = ?1'
        " AND s.user_id = ?2"
    )


def test_the_scope_chooses_the_schema() -> None:
    sources = Sources({"test": EngineScope("p", "l", "2"), "prod": SCOPE}, default="test")
    query = translate(f"SELECT userId FROM {_T} WHERE {_WHERE}", sources)
    assert isinstance(query, Translation)
    assert query.sql == f'SELECT user_id AS "userId" FROM "prod".sessions WHERE {_OURS}'
    exec_query = translate(EXEC, sources)
    assert isinstance(exec_query, Translation)
    assert 'FROM "prod".append_event(' in exec_query.sql


def test_await_returns_the_session() -> None:
    columns = "(data__userId, projectsId, locationsId, reasoningEnginesId)"
    query = translation_of(
        f"INSERT /*+ AWAIT */ INTO {_T} {columns} VALUES (?, 'p', 'l', '1'), ('b', 'p', 'l', '1') RETURNING name, userId"
    )
    assert query.sql == (
        "INSERT /*+ AWAIT */ INTO sessions (user_id, project, location, reasoning_engine)"
        " VALUES (nullif(?1, ''), 'p', 'l', '1'), ('b', 'p', 'l', '1')"
        ' RETURNING name AS "name", user_id AS "userId"'
    )
    assert query.answer is ResultShape.ROWS


def test_a_hint_without_blanks_is_ignored() -> None:
    columns = "(data__userId, projectsId, locationsId, reasoningEnginesId)"
    text = f"INSERT /*+AWAIT*/ INTO {_T} {columns} VALUES ('a', 'p', 'l', '1') RETURNING name"
    assert translation_of(text).answer is ResultShape.OPERATION


def test_showresults_gives_the_rows_of_exec() -> None:
    assert (
        translation_of(EXEC.replace("EXEC ", "EXEC /*+ SHOWRESULTS */ ")).answer is ResultShape.ROWS
    )


def test_messages_may_be_objects_in_the_payload() -> None:
    text = "EXEC google.aiplatform.sessions.append_event @projectsId='p', @locationsId='l', @reasoningEnginesId='1', @sessionsId='s' @@json='{\"author\":\"user\",\"content\":{\"parts\":[]}}'"
    assert "'user', '{\"parts\": []}')" in translation_of(text).sql


def test_exec_may_be_an_item_of_from() -> None:
    text = f"SELECT event_id AS id FROM ({EXEC.rstrip(';')}) AS x WHERE x.event_id <> ?"
    query = translation_of(text)
    assert query.sql.startswith("SELECT event_id AS id FROM append_event('projects/p/locations/l/")
    assert query.sql.endswith(") AS x WHERE x.event_id <> ?")
    assert query.answer is ResultShape.ROWS


@pytest.mark.parametrize(
    ("payload", "arguments"),
    [
        ("{}", ""),
        ('{"compaction": {"summarization": {"mode": "AUTO"}}}', ", 'AUTO'"),
        ('{"compaction": {"eventEditing": {"mode": "AUTO"}}}', ", NULL, 'AUTO'"),
        ('{"compaction": "{\\"summarization\\": {\\"mode\\": \\"AUTO\\"}}"}', ", 'AUTO'"),
    ],
)
def test_compact_is_compact_session(payload: str, arguments: str) -> None:
    session = "projects/p/locations/l/reasoningEngines/1/sessions/s"
    assert translation_of(f"{_COMPACT} @@json='{payload}'").sql == (
        "SELECT session_name, operation, done, response"
        f" FROM compact_session('{session}'{arguments})"
    )


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (f"SELECT 1 FROM {_T}", MissingParameterError, "WHERE clause not supplied"),
        (
            f"SELECT 1 FROM {_T} WHERE projectsId = 'p'",
            MissingParameterError,
            "{ locationsId, reasoningEnginesId }",
        ),
        (
            f"SELECT 1 FROM {_T} WHERE projectsId = 'p' OR locationsId = 'l'",
            MissingParameterError,
            "{ projectsId, locationsId,",
        ),
        (f"SELECT 1 FROM {_T} WHERE projectsId <> 'p'", MissingParameterError, "projectsId"),
        (
            f"SELECT 1 FROM google.aiplatform.events WHERE {_WHERE}",
            MissingParameterError,
            "{ sessionsId }",
        ),
        (
            f"UPDATE {_T} SET data__displayName = 'x' WHERE {_WHERE}",
            MissingParameterError,
            "sessionsId",
        ),
        (f"DELETE FROM {_T} WHERE {_WHERE}", MissingParameterError, "sessionsId"),
        (f"DELETE FROM {_T}", MissingParameterError, "WHERE clause not supplied"),
        (f"INSERT INTO {_T} (data__userId) VALUES ('a')", MissingParameterError, "projectsId"),
        (
            "EXEC google.aiplatform.sessions.append_event @projectsId='p'",
            MissingParameterError,
            "could not find variable 'locationsId'",
        ),
        (
            "SELECT 1 FROM google.compute.disks WHERE x = 1",
            UnknownNameError,
            "google.aiplatform.sessions",
        ),
        ("EXEC google.aiplatform.sessions.nosuch @a='b'", UnknownNameError, "append_event"),
        (EXEC.replace("author", "auther"), UnknownNameError, "auther"),
        (EXEC.replace('"user",', '"user"'), InvalidValueError, "is not valid JSON"),
        (
            "EXEC google.aiplatform.sessions.append_event @projectsId 'p'",
            StatementError,
            "@name='value'",
        ),
        (
            f"INSERT INTO {_T} (data__userId, projectsId, locationsId, reasoningEnginesId) VALUES ('a')",
            StatementError,
            "disparity in fields",
        ),
        (
            f"INSERT INTO {_T} (data__nosuch, projectsId, locationsId, reasoningEnginesId) VALUES ('a', 'p', 'l', '1')",
            StatementError,
            "data__nosuch",
        ),
        (
            f"UPDATE {_T} SET data__displayName = '' WHERE {_WHERE} AND sessionsId = 's'",
            StatementError,
            "nothing to send",
        ),
        (
            f"DELETE /*+ AWAIT */ FROM {_T} WHERE {_WHERE} AND sessionsId = 's' RETURNING name",
            UnsupportedError,
            "AWAIT",
        ),
        (f"REPLACE {_T} SET data__displayName = 'x' WHERE {_WHERE}", UnsupportedError, "REPLACE"),
        (
            "INSERT INTO google.aiplatform.events (projectsId) VALUES ('p')",
            UnsupportedError,
            "INSERT",
        ),
        ("REGISTRY LIST", UnsupportedError, "REGISTRY"),
        ("sleep 5", UnsupportedError, "SLEEP manages StackQL itself"),
        ("-- why\nNATIVEQUERY 'SELECT 1'", UnsupportedError, "NATIVEQUERY manages"),
        ("SHOW AUTH google", UnsupportedError, "sources --check"),
        ("SHOW TABLES", UnsupportedError, "SHOW PROVIDERS"),
        ("SHOW PROVIDERS WHERE;", StatementError, "WHERE"),
        (f"SELECT 1 FROM ({EXEC.rstrip(';')} x", StatementError, "missing"),
        (
            f"SELECT 1 FROM {_T} s, ({EXEC.rstrip(';')}) x",
            UnsupportedError,
            "must be alone in FROM",
        ),
        (f"{_COMPACT} @@json='{{\"compaction\":1}}'", InvalidValueError, "compaction"),
        (
            f'{_COMPACT} @@json=\'{{"compaction":{{"summarization":"AUTO"}}}}\'',
            InvalidValueError,
            "mode",
        ),
        (f"{_COMPACT} @@json='{{\"summarization\":{{}}}}'", UnknownNameError, "compaction"),
        (
            f'{_COMPACT} @@json=\'{{"compaction":{{"editing":{{}}}}}}\'',
            UnknownNameError,
            "eventEditing",
        ),
        ("SHOW RESOURCES IN google.compute", UnknownNameError, "google.aiplatform"),
        ("DESCRIBE METHOD google.aiplatform.sessions.nosuch", UnknownNameError, "append_event"),
    ],
)
def test_what_is_wrong_is_named(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message.replace("{", r"\{").replace("}", r"\}")):
        translate(text)


@pytest.mark.parametrize(
    ("text", "columns", "first"),
    [
        ("SHOW PROVIDERS", ("name", "version"), ("google", "v1")),
        ("SHOW VERSION", ("name", "version"), ("sessions-vtab", __version__)),
        (
            "SHOW SERVICES IN google",
            ("id", "name", "title"),
            ("aiplatform:v1", "aiplatform", "Vertex AI API"),
        ),
        (
            "SHOW RESOURCES FROM google.aiplatform LIKE 'ev%'",
            ("name", "id"),
            ("events", "google.aiplatform.events"),
        ),
        (
            "show methods in google.aiplatform.sessions like '%event'",
            ("MethodName", "RequiredParams", "SQLVerb"),
            ("append_event", "projectsId, locationsId, reasoningEnginesId, sessionsId", "EXEC"),
        ),
        (
            "SHOW EXTENDED METHODS IN google.aiplatform.events",
            ("MethodName", "RequiredParams", "SQLVerb", "description"),
            (
                "list",
                "projectsId, locationsId, reasoningEnginesId, sessionsId",
                "SELECT",
                "Lists the events of a session.",
            ),
        ),
        ("DESCRIBE google.aiplatform.sessions;", ("name", "type"), ("name", "string")),
        (
            "DESCRIBE EXTENDED google.aiplatform.events",
            ("name", "type", "description"),
            ("name", "string", "Resource name of the event."),
        ),
        (
            "DESCRIBE METHOD google.aiplatform.sessions.list",
            ("name", "type", "param_type", "shape"),
            ("projectsId", "string", "input_required", '{"type": "string"}'),
        ),
    ],
)
def test_show_and_describe_need_no_request(
    text: str, columns: tuple[str, ...], first: tuple[str, ...]
) -> None:
    listing = translate(text)
    assert isinstance(listing, StaticResult)
    assert listing.columns == columns
    assert listing.rows[0] == first


def test_show_insert_gives_a_template_that_is_a_statement() -> None:
    listing = translate(f"SHOW INSERT INTO {_T}")
    assert isinstance(listing, StaticResult)
    assert isinstance(translate(listing.rows[0][0]), Translation)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM sessions",
        "SELECT google.aiplatform.sessions",
        "SELECT (exec) FROM google",
        "SELECT sleep, use FROM purge",
        "SELECT 'FROM google.aiplatform.sessions'",
        "",
        "-- EXEC x",
    ],
)
def test_other_text_is_not_stackql(text: str) -> None:
    assert not is_stackql(text)
    assert translate(text) is None
