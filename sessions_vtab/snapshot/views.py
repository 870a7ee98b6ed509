"""The views of a snapshot: the parts of events, and those that every source of agents has.

Only what SQLite 3.31 knows; see ``contract.agent_views``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from sessions_vtab.backends.local.ddl import MODIFIERS, SPELLINGS
from sessions_vtab.contract.agent_views import VIEWS, views_for
from sessions_vtab.contract.declare import quoted
from sessions_vtab.contract.tables import EVENT_PARTS
from sessions_vtab.snapshot.shape import Plan

__all__ = ["create_views"]

_PARTS: Final = EVENT_PARTS.name
_OF_EVENT: Final = ("timestamp", "author", "invocation_id")
_NEEDED: Final = frozenset(("name", "session_name", "session_id", "content"))


def create_views(plan: Plan) -> str:
    """The statements that make the views of a snapshot; those of an earlier run are replaced."""
    return "".join(f"{statement};\n" for statement in _statements(plan))


def _statements(plan: Plan) -> Iterator[str]:
    tables: dict[str, Collection[str]] = {shape.table: shape.names for shape in plan.shapes}
    shown = {
        shape.table: [column.name for column in shape.columns if not column.hidden]
        for shape in plan.shapes
    }
    events = frozenset(tables.get("events", ()))
    derived = _PARTS not in tables and events >= _NEEDED
    made = views_for({**tables, _PARTS: _PART_COLUMNS} if derived else tables)
    for name in (_PARTS, *(view.name for view in VIEWS)):
        if name not in tables:
            yield f"DROP VIEW IF EXISTS {quoted(name)}"
    if derived:
        yield f"CREATE VIEW {quoted(_PARTS)} AS\n{_parts(events)}"
    for view in made:
        if view.name not in tables:
            yield view.create("main", shown[view.like] if view.like else ())


def _field(*paths: str) -> str:
    """A field of a part, in either spelling."""
    found = ", ".join(f"json_extract(p.object, '$.{path}')" for path in paths)
    return f"coalesce({found}, NULL)"


_CASES: Final = " ".join(f"WHEN '{snake}' THEN '{camel}'" for snake, camel in SPELLINGS.items())
_KIND: Final = (
    f"(SELECT CASE f.key {_CASES} ELSE f.key END FROM json_each(p.object) f"
    f" WHERE f.type <> 'null' AND f.key NOT IN ({MODIFIERS}) LIMIT 1)"
)


def _of_calls(field: str) -> str:
    calls = ("functionCall", "function_call", "functionResponse", "function_response")
    return _field(*(f"{call}.{field}" for call in calls))


_EXPRESSIONS: Final[Mapping[str, str]] = {
    "event_name": "p.event",
    "session_name": "p.session_name",
    "session_id": "p.session_id",
    "timestamp": "p.timestamp",
    "author": "p.author",
    "invocation_id": "p.invocation_id",
    "part": "p.part",
    "kind": _KIND,
    "text": _field("text"),
    "thought": "CASE WHEN json_type(p.object, '$.thought') = 'true' THEN 1 END",
    "function_name": _of_calls("name"),
    "call_id": _of_calls("id"),
    "args": _field("functionCall.args", "function_call.args", "executableCode", "executable_code"),
    "response": _field(
        "functionResponse.response",
        "function_response.response",
        "codeExecutionResult",
        "code_execution_result",
    ),
    "mime_type": _field(
        "inlineData.mimeType", "inline_data.mime_type", "fileData.mimeType", "file_data.mime_type"
    ),
    "file_uri": _field("fileData.fileUri", "file_data.file_uri"),
    "size": f"length(rtrim({_field('inlineData.data', 'inline_data.data')}, '=')) * 3 / 4",
    "name": "p.event || '#' || p.part",
}
_PART_COLUMNS: Final = tuple(_EXPRESSIONS)


def _parts(events: Collection[str]) -> str:
    of_event = ", ".join(f"e.{name}" if name in events else f"NULL AS {name}" for name in _OF_EVENT)
    columns = ",\n  ".join(f"{sql} AS {name}" for name, sql in _EXPRESSIONS.items())
    return f"""SELECT {columns}
FROM (SELECT e.name AS event, e.session_name, e.session_id, {of_event}, j.key AS part,
    CASE j.type WHEN 'object' THEN j.value ELSE '{{}}' END AS object
  FROM events e, json_each(e.content, '$.parts') j WHERE typeof(j.key) = 'integer') p"""
