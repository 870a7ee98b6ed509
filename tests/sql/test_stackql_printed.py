"""StackQL's text: the statements of the reference page."""

from __future__ import annotations

import apsw
import pytest
from sql_tables import TestCatalog

from sessions_vtab.sql.rewrite import rewrite
from sessions_vtab.sql.stackql.dialect import ResultShape
from tests.sql.conftest import EXEC, sql_of, translation_of

SELECT = """SELECT
name,
createTime,
displayName,
expireTime,
labels,
sessionState,
ttl,
updateTime,
userId
FROM google.aiplatform.sessions
WHERE projectsId = 'p' -- required
AND locationsId = 'l' -- required
AND reasoningEnginesId = '1' -- required
AND sessionsId = 's' -- required
;"""

INSERT = """INSERT INTO google.aiplatform.sessions (
data__userId,
data__expireTime,
data__sessionState,
data__name,
data__displayName,
data__labels,
data__ttl,
projectsId,
locationsId,
reasoningEnginesId
)
SELECT
'ann',
'',
'{"step":1}',
'',
'Tour',
'{"env":"prod"}',
'172800s',
'p',
'l',
'1'
RETURNING
name,
done,
error,
metadata,
response
;"""

UPDATE = """UPDATE google.aiplatform.sessions
SET
data__userId = 'ann',
data__expireTime = '',
data__sessionState = '',
data__name = '',
data__displayName = 'New',
data__labels = '',
data__ttl = ''
WHERE
projectsId = 'p' --required
AND locationsId = 'l' --required
AND reasoningEnginesId = '1' --required
AND sessionsId = 's' --required
AND updateMask = 'displayName'
RETURNING
name,
createTime,
userId;"""


DELETE = """DELETE FROM google.aiplatform.sessions
WHERE projectsId = 'p' --required
AND locationsId = 'l' --required
AND reasoningEnginesId = '1' --required
AND sessionsId = 's' --required
;"""


def test_the_printed_select() -> None:
    query = translation_of(SELECT)
    assert " ".join(query.sql.split()) == (
        'SELECT name AS "name", create_time AS "createTime", display_name AS "displayName",'
        ' expire_time AS "expireTime", labels AS "labels", state AS "sessionState", ttl AS "ttl",'
        ' update_time AS "updateTime", user_id AS "userId" FROM sessions'
        " WHERE project = 'p' -- required AND location = 'l' -- required"
        " AND reasoning_engine = '1' -- required AND session_id = 's' -- required ;"
    )


def test_the_printed_insert_returns_the_operation() -> None:
    query = translation_of(INSERT)
    assert " ".join(query.sql.split()) == (
        "INSERT INTO sessions (user_id, expire_time, state, name, display_name, labels, ttl,"
        " project, location, reasoning_engine) SELECT 'ann', NULL, '{\"step\":1}', NULL, 'Tour',"
        " '{\"env\":\"prod\"}', '172800s', 'p', 'l', '1' ;"
    )
    assert query.answer is ResultShape.OPERATION
    assert " ".join(query.items.split()) == "name, done, error, metadata, response"


def test_the_printed_update_sends_what_is_not_empty_and_the_mask() -> None:
    assert sql_of(UPDATE) == (
        "UPDATE sessions SET user_id = 'ann', display_name = 'New', update_mask = 'displayName'"
        " WHERE project = 'p' --required AND location = 'l' --required"
        " AND reasoning_engine = '1' --required AND session_id = 's' --required AND TRUE"
        ' RETURNING name AS "name", create_time AS "createTime", user_id AS "userId";'
    )


def test_the_printed_delete() -> None:
    assert sql_of(DELETE) == (
        "DELETE FROM sessions WHERE project = 'p' --required AND location = 'l' --required"
        " AND reasoning_engine = '1' --required AND session_id = 's' --required ;"
    )


@pytest.mark.parametrize(
    "text",
    [
        EXEC,
        EXEC.replace(" --required", ""),
        EXEC.replace(" --required,", ",").replace(" --required", ","),
    ],
)
def test_the_printed_exec_runs_with_and_without_its_commas(text: str) -> None:
    query = translation_of(text)
    assert query.sql == (
        "SELECT event_name, event_id, session_name, response FROM append_event("
        "'projects/p/locations/l/reasoningEngines/1/sessions/s', 'user', 'it''s me', 'e-1',"
        " '2026-01-01T00:00:00Z', '{\"stateDelta\": {}}')"
    )
    assert query.answer is ResultShape.MESSAGE


@pytest.mark.parametrize("text", [SELECT, INSERT, UPDATE, DELETE, EXEC])
def test_the_statement_rewriter_takes_what_comes_out(text: str) -> None:
    rewrite(translation_of(text).sql, TestCatalog())


@pytest.mark.parametrize("text", [SELECT, UPDATE, DELETE])
def test_sqlite_takes_what_comes_out(text: str) -> None:
    connection = apsw.Connection(":memory:")
    columns = ", ".join(TestCatalog().tables["sessions"].table.names)
    connection.execute(f"CREATE TABLE sessions({columns})")
    connection.execute(translation_of(text).sql)
