"""Helpers of these tests are modules beside them."""

from __future__ import annotations

import sys
from pathlib import Path

from sessions_vtab.sql.stackql.dialect import EngineScope, Translation
from sessions_vtab.sql.stackql.translate import translate

sys.path.insert(0, str(Path(__file__).parent))


SCOPE = EngineScope("p", "l", "1")


def translation_of(text: str) -> Translation:
    found = translate(text)
    assert isinstance(found, Translation)
    return found


def sql_of(text: str) -> str:
    return " ".join(translation_of(text).sql.split())


EXEC = """EXEC google.aiplatform.sessions.append_event
@projectsId='p' --required,
@locationsId='l' --required,
@reasoningEnginesId='1' --required,
@sessionsId='s' --required
@@json=
'{
"author": "user",
"content": "it''s me",
"invocationId": "e-1",
"timestamp": "2026-01-01T00:00:00Z",
"actions": "{\\"stateDelta\\": {}}",
"errorCode": "",
"errorMessage": "",
"eventMetadata": "",
"name": ""
}'
;"""
