"""The REST server of Google's Agent Development Kit (``adk api_server``).

``adk_api://APP/USER?base_url=http://127.0.0.1:8000``: sessions of a user, their events and parts,
and ``run_agent``, which sends a message to the agent. Facts: google-adk 2.13.0, seen on a running
server; the routes are in its ``cli/api_server.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sessions_vtab import rest
from sessions_vtab.contract import agent_events
from sessions_vtab.contract.tables import EVENT_PARTS, EVENTS, SESSIONS, event_columns, fact_columns

_SESSION = "apps/{app_name}/users/{user_id}/sessions/{session_id}"
_ALL = "/apps/{app_name}/users/{user_id}/sessions"
_EVENT = f"{_SESSION}/events/{{event_id}}"

# A route that does not exist answers "Not Found".
_GONE = (rest.ResponseMatcher(404, r"^Session not found", "detail"),)
_APP = rest.Column(
    "app_name", rest.ColumnType.TEXT, "App; default: the source's own, or every app."
)

# The list is whole and in the order of writing. No field of an event has such a name.
_PLACE = "#"

_get = rest.Get(f"GET /{_SESSION}", missing=_GONE)
_event_id = rest.text_of("id", required=True)
_list = rest.List(f"GET {_ALL}", each={"app_name": rest.Operation("GET /list-apps")})


def _text(item: rest.Item, _: rest.DecodeContext) -> str | None:
    return agent_events.text_of(item.get("content"))


def _fact(read: agent_events.Fact) -> rest.Getter[rest.RestFrame]:
    """The event is the raw event: the server returns what the framework has."""
    return lambda item, _: read(agent_events.Documents(None, None, item))


_EVENT_FIELDS: Mapping[str, str | rest.Getter[rest.RestFrame]] = {
    "event_id": "id",
    "timestamp": rest.epoch_of("timestamp", whole=False),
    "author": "author",
    "content": "content",
    "text": _text,
    "invocation_id": "invocationId",
    "actions": "actions",
    "error_code": "errorCode",
    "error_message": "errorMessage",
    "sequence": rest.number_of(_PLACE, int),
    **{name: _fact(read) for name, read in agent_events.FACTS.items()},
}


class _AdkSessions(rest.Writer):
    """Rows of ``sessions``: the API merges a state, so an UPDATE cannot remove keys."""

    def perform(self, write: rest.Write, sender: rest.Sender) -> rest.Outcome:
        if "state" in write.values:
            self._refuse_lost_keys(write, sender)
        return super().perform(write, sender)

    def _refuse_lost_keys(self, write: rest.Write, sender: rest.Sender) -> None:
        found = None if write.key is None else self.look(self.places(write), sender)
        before = found.item.get("state") if found is not None else None
        given = rest.load_json(write.values["state"] or "{}", f"{self.where}.state")
        lost = (before or {}).keys() - given.keys()
        if lost:
            raise rest.InvalidValueError(
                f"{self.where}.state: the API adds and changes keys, but cannot remove"
                f" {', '.join(sorted(lost))}. Keep these keys, or set them to null. Nothing was"
                " sent."
            )


def _events(item: rest.Item, frame: rest.RestFrame) -> list[rest.Item]:
    """The events of a session; the server never leaves the list out."""
    events = rest.objects_of(item, "events", frame, required=True)
    return [{**event, _PLACE: number} for number, event in enumerate(events, 1)]


def _parts(item: rest.Item, frame: rest.RestFrame) -> Iterator[rest.Item]:
    """The parts of all events of a session, each with its number and what is the event's."""
    for event in _events(item, frame):
        of_event = {
            "id": _event_id(event, frame),
            "timestamp": rest.epoch_of("timestamp", whole=False)(event, frame),
            "author": rest.text_of("author")(event, frame),
            "invocation_id": rest.text_of("invocationId")(event, frame),
        }
        for number, part in enumerate(agent_events.parts_of(event.get("content"))):
            yield {**of_event, "part": number, **agent_events.part_columns(part)}


def _event_name(item: rest.Item, frame: rest.RestFrame) -> str:
    return rest.name_of(_EVENT, {**frame.places, "event_id": str(_event_id(item, frame))})


def _message(given: Mapping[str, rest.Value], where: str) -> dict[str, Any]:
    """The body of /run; the message is plain text, or a Content as JSON."""
    text = str(given["message"])
    content = rest.load_json(text, f"{where}: message") if rest.is_object(text) else None
    return {
        "appName": given["app_name"],
        "userId": given["user_id"],
        "sessionId": given["session_id"],
        "newMessage": content or {"role": "user", "parts": [{"text": text}]},
    }


def _made_events(response: rest.Response, given: rest.Arguments) -> Iterable[rest.Row]:
    places = {one: str(given[one]) for one in ("app_name", "user_id", "session_id")}
    frame = rest.RestFrame(response.what, places)
    for item in response.items():
        stamp = rest.epoch_of("timestamp", whole=False)(item, frame)
        author, text = item.get("author"), _text(item, frame)
        name = _event_name(item, frame)
        yield name, _event_id(item, frame), stamp, author, text, rest.dump_json(item)


class AdkApiBackend(rest.RestBackend):
    """Sessions of one app and user, or of those that statements name."""

    name = "adk_api"
    title = "ADK server"
    urls = ("adk_api://APP/USER?base_url=http://127.0.0.1:8000",)
    about = (
        "The server lists the sessions of one user of one app: give user_id in WHERE or in the"
        " source's URL (adk_api://APP/USER). Its lists have no events, so each session's events"
        " are one request. Events are made by running an agent: run_agent(session, message)."
        " UPDATE of state adds and changes keys; it cannot remove them."
    )
    location = ("app_name", "user_id")
    writers = {"sessions": _AdkSessions}
    gone = "The session does not exist. Create it with INSERT INTO sessions(session_id)."
    tables = (
        rest.RestTable(
            SESSIONS.extended(_APP),
            _SESSION,
            {
                "session_id": "id",
                "user_id": "userId",
                "app_name": "appName",
                "state": "state",
                "update_time": rest.epoch_of("lastUpdateTime", whole=False),
            },
            get=_get,
            list=_list,
            insert=rest.Insert(
                f"POST {_ALL}",
                body={"session_id": "sessionId", "state": "state"},
            ),
            update=rest.Update(f"PATCH /{_SESSION}", body={"state": "stateDelta"}),
            delete=rest.Delete(f"DELETE /{_SESSION}"),
            hint="The API lists the sessions of one user. Add WHERE user_id = '..', or put the"
            " user into the source's URL (adk_api://APP/USER).",
            rows=1_000,
        ),
        rest.RestTable(
            EVENTS.extended(
                *event_columns(
                    "invocation_id", "actions", "error_code", "error_message", "sequence"
                ),
                *fact_columns(),
                hidden=(_APP, *fact_columns(hidden=True)),
            ),
            _EVENT,
            _EVENT_FIELDS,
            parent="sessions",
            inside=_events,
            listed=False,
            hints={
                "insert": "The API cannot append events. They are made by running an agent:"
                " SELECT * FROM run_agent('session', 'message')."
            },
            follows="update_time",
        ),
        rest.RestTable(
            EVENT_PARTS.extended(hidden=(_APP,)),
            f"{_EVENT}#{{part}}",
            {
                "event_id": rest.value_of("id"),
                "event_name": _event_name,
                **{
                    column.name: rest.value_of(column.name)
                    for column in EVENT_PARTS.visible
                    if column.name not in ("event_name", "session_name", "session_id")
                },
            },
            parent="sessions",
            inside=_parts,
            under={"event_name": _EVENT},
            listed=False,
            hints={"insert": "Parts are read from the content of events."},
            follows="update_time",
        ),
    )
    functions_declared = (
        rest.RestFunction(
            rest.Function(
                "run_agent",
                (
                    rest.Column("session", rest.ColumnType.TEXT, "Id or full name of the session."),
                    rest.Column(
                        "message", rest.ColumnType.TEXT, "Message of the user: text, or a Content."
                    ),
                ),
                (
                    rest.Column(
                        "event_name", rest.ColumnType.TEXT, "Full resource name of the event."
                    ),
                    rest.Column("event_id", rest.ColumnType.TEXT, "Id of the event."),
                    rest.Column("timestamp", rest.ColumnType.TIME, "Time of the event."),
                    rest.Column("author", rest.ColumnType.TEXT, "The agent."),
                    rest.Column(
                        "text", rest.ColumnType.TEXT, "The text parts of the event's content."
                    ),
                    rest.Column("response", rest.ColumnType.JSON, "The event as JSON."),
                ),
                "Runs the agent on a message; one row for each event that it made.",
                ("session", "message"),
                example="SELECT author, text FROM run_agent('s1', 'Where is my order?')",
            ),
            rest.Operation("POST /run", body=_message, missing=_GONE),
            _made_events,
        ),
    )
