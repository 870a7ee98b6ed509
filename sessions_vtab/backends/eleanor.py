"""EleanorAI: activity sessions and who takes part in them.

Documented: ten operations; ``namespace``, ``activity_session`` and ``participant`` as path
parameters; ``include_deleted``; a ``status`` in every response; 400, 403, 404, 409, 410 and 500 as
error statuses; a session's name, description, enabled, managed, auto_created, deleted, create_ts.
Assumed: every path and method, the names and types of fields in bodies, that a response holds the
session, and that a bearer key is the credential if there is one. The settings ``api_prefix``,
``routes`` and ``fields`` correct all of it without code.

No operation reads or appends turns. Facts: ``docs/contracts/eleanor.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Self

from pydantic import Field, model_validator

from sessions_vtab import rest
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.tables import PARTICIPANTS, SCOPE_COLUMNS, SESSIONS, session_columns

_SESSION: Final = "namespaces/{namespace}/sessions/{session_id}"
_ALL: Final = "/sessions/{namespace}"
_ONE: Final = f"{_ALL}/{{session_id}}"
_BOUND: Final = f"{_ONE}/participants/{{participant}}"

_FLAGS: Final = ("enabled", "managed", "auto_created", "deleted")
_OWN: Final = ("pkid", "description", *_FLAGS, "settings")
_HOLDERS: Final = ("session", "sessions", "task_id", "participants", "participant_type")
FIELDS: Final[Mapping[str, str]] = {
    **{one: one for one in (*_OWN, *_HOLDERS)},
    "session_id": "name",
    "create_time": "create_ts",
    "participant": "name",
}
"""Column to field of a body; ``session`` and ``sessions`` are where a response holds them."""

_OBJECTS: Final = ("settings", "labels", "state")

_OPTIONAL: Final = ("user_id", "display_name", "labels", "state", "update_time", "expire_time")
"""Columns that are NULL unless ``fields`` says where they are."""

# The shape of an error body is assumed: a status with a message, or a detail. FastAPI's own
# "Not Found" means that there is no such route.
_GONE: Final = (
    rest.ResponseMatcher(404, r".", "status.message"),
    rest.ResponseMatcher(404, r"^(?!Not Found$).", "detail"),
    rest.ResponseMatcher(410),
)
# What is in the wanted state already is refused so: then it may be repeated.
_AGAIN: Final[Mapping[str, Any]] = {"repeatable": True, "done": (rest.ResponseMatcher(400),)}

_BAD_REQUEST, _NOT_FOUND = 400, 404


class EleanorOptions(rest.RestOptions):
    """Settings of a source.

    Attributes:
        fields: field of a body by column.
    """

    base_url: str
    api_prefix: str = "/api/v1"
    fields: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        rest.check_names("fields", self.fields, (*FIELDS, *_OPTIONAL))
        for column, field in self.fields.items():
            if not field.strip() and column not in {"session", "sessions"}:
                raise ValueError(f"fields.{column} must be the name of a field")
        return self


class _EleanorSessions(rest.Writer):
    """Rows of ``sessions``: ``deleted`` and the name change by operations of their own."""

    backend: EleanorBackend

    def change(self, write: rest.Write) -> rest.Change:
        if "deleted" not in write.values:
            return super().change(write)
        if len(write.values) > 1:
            why = "cannot be combined with other columns; set it in a separate UPDATE"
            raise rest.refused(f"{self.where}: deleted", why)
        name, places = "delete" if write.values["deleted"] else "undelete", self.places(write)
        return rest.Change(self.backend.operations[name].call(places), places)

    def outcome(
        self, write: rest.Write, response: rest.Response, places: rest.Places, sender: rest.Sender
    ) -> rest.Outcome:
        """A deleted session can no longer be read."""
        if write.values.get("deleted") == 1 and self.resource.find(response, places) is None:
            return self.accepted(write, write.key, response.status)
        return super().outcome(write, response, places, sender)


class _Participants(rest.Writer):
    """Rows of ``participants``: 400 does not say whether a participant was already bound."""

    def send(
        self, call: rest.RequestSpec, places: rest.Places, sender: rest.Sender
    ) -> rest.Response:
        """Raises ConflictError if the participant was bound before."""
        try:
            return sender.send(call)
        except rest.RefusedError as error:
            binds = call != self.operation(rest.Action.DELETE).call(places)
            known = binds and error.status == _BAD_REQUEST
            found = self.look(places, sender) if known else None
            if found is None or self.among(found, places) is None:
                raise
            raise rest.ConflictError(
                f"{self.where}: {places['participant']!r:.80} is already bound to"
                f" {rest.name_of(_SESSION, places)}."
            ) from error

    def among(self, found: rest.Found, places: rest.Places) -> rest.Found | None:
        """The participant of that name or pkid."""
        name = self.resource.decoder.columns["participant"]
        given, ids = places["participant"], (name, rest.text_of("pkid"))
        inside = self.resource.inside(found)
        return next((one for one in inside if given in [get(*one) for get in ids]), None)


class EleanorBackend(rest.RestBackend):
    """Sessions and participants of one namespace, or of those that statements name."""

    name = "eleanor"
    title = "EleanorAI"
    about = (
        "EleanorAI documents its session operations, their parameters and its error statuses, but"
        " not their paths, methods and body fields. Those are assumed; correct them with the"
        " source's settings api_prefix, routes and fields (routes.undelete ="
        " 'POST /sessions/{namespace}/{session}/undelete', fields.session_id = 'name'). Turns can"
        " be neither read nor appended. DELETE hides a session: deleted = 1 or include_deleted = 1"
        " shows it, and its name stays taken."
    )
    location = ("namespace",)
    options = EleanorOptions
    settings: EleanorOptions
    writers = {"sessions": _EleanorSessions, "participants": _Participants}
    statuses = {
        403: "The session is disabled or managed by the system, the participant belongs to another"
        " namespace, or the credential lacks permission.",
        404: "If it should exist, the server may use another route. Correct api_prefix or routes"
        " in the source's settings.",
        405: "The server expects another method. Correct routes in the source's settings.",
        409: "The name is already taken, perhaps by a deleted session. Check with SELECT .. WHERE"
        " include_deleted = 1.",
        410: "The session is deleted. Restore it with SELECT * FROM undelete_session('..').",
        422: "The server may use another name for the field: correct fields in the source's"
        " settings.",
    }

    def declare(self) -> Sequence[rest.RestTable]:
        fields = self._fields = {**FIELDS, **self.settings.fields}
        item, items, self._namespaces = fields["session"], fields["sessions"], set[str]()
        hidden = session_columns("include_deleted")
        table = SESSIONS.extended(*session_columns("namespace", *_OWN), hidden=hidden)
        body: rest.Body = {
            **{one: fields[one] for one in ("session_id", "description")},
            "enabled": rest.Sent(fields["enabled"], _enabled),
            "settings": rest.Sent(fields["settings"], _settings),
        }
        sessions = rest.RestTable(
            table,
            _SESSION,
            {
                one: rest.json_of(field) if one in _OBJECTS else field
                for one, field in fields.items()
                if one in table.positions
            },
            get=rest.Get(f"GET {_ONE}", item=item, missing=_GONE),
            list=rest.List(f"GET {_ALL}", items=items, hidden=("include_deleted", "true")),
            insert=rest.Insert(f"POST {_ALL}", body=body, item=item, required=("session_id",)),
            update=rest.Update(
                f"PUT {_ONE}", repeatable=True, body=body, item=item, columns=("deleted",)
            ),
            delete=rest.Delete(f"DELETE {_ONE}", item=item, repeatable=True, done=_GONE),
            hides=rest.HiddenRows("deleted", "include_deleted"),
            hints={
                "name": "It is derived from session_id; UPDATE session_id to rename a session.",
                "deleted": "A session cannot be inserted as deleted.",
                "user_id": "To bind a user, INSERT INTO participants(session_id, participant).",
            },
            hint="The source has no namespace. Add WHERE namespace = '..', or put it into the"
            " source's URL (eleanor://NAMESPACE?base_url=..).",
            rows=1_000,
        )
        return sessions, self._participants()

    def _participants(self) -> rest.RestTable:
        return rest.RestTable(
            PARTICIPANTS.extended(hidden=(SCOPE_COLUMNS["namespace"],)),
            f"{_SESSION}/participants/{{participant}}",
            {one: self._fields[one] for one in ("participant", "participant_type")},
            insert=rest.Insert(f"PUT {_BOUND}", required=("participant",), **_AGAIN),
            delete=rest.Delete(f"DELETE {_BOUND}", **_AGAIN),
            parent="sessions",
            inside=self._bound,
            hints={
                "update": "DELETE the binding and INSERT another one.",
                "participant_type": "It is the type of the user or agent and cannot be set.",
            },
            rows=2_000,
        )

    def _bound(self, item: rest.Item, frame: rest.RestFrame) -> Iterable[rest.Item]:
        listed = item.get(self._fields["participants"]) or []
        if not isinstance(listed, list):
            raise frame.wrong(self._fields["participants"], "a list")
        # Whether a participant is an object or just its name is not documented.
        name = self._fields["participant"]
        return [one if isinstance(one, dict) else {name: one} for one in listed]

    def seen(self, places: rest.Places) -> None:
        self._namespaces.add(places["namespace"])

    def missed(self, places: rest.Places, response: rest.Response, reader: rest.Reader) -> None:
        """A missing namespace looks the same: its list tells."""
        if response.status == _NOT_FOUND and places["namespace"] not in self._namespaces:
            reader.get(self.main.rows_list().call(places))
        self.seen(places)

    # Functions

    def declare_functions(self) -> Sequence[rest.RestFunction]:
        item = self._fields["session"]
        verbs = {
            "undelete_session": rest.Operation(f"POST {_ONE}/undelete", item=item, **_AGAIN),
            # Repeated, it could clear turns that came in between.
            "truncate_session": rest.Operation(f"POST {_ONE}/truncate", item=item),
            "integrate_session": rest.Operation(f"POST {_ONE}/integrate"),
            "bind_participant": rest.Operation(f"PUT {_BOUND}", item=item, **_AGAIN),
            "unbind_participant": rest.Operation(f"DELETE {_BOUND}", item=item, **_AGAIN),
        }
        return [rest.RestFunction(FUNCTIONS[name], one) for name, one in verbs.items()]

    def own_functions(self) -> Sequence[tuple[rest.Function, rest.Routine]]:
        return [(FUNCTIONS["integrate_session"], self._integrate)]

    def act(
        self, function: str, call: rest.RequestSpec, places: rest.Places, sender: rest.Sender
    ) -> rest.Response:
        if function == "bind_participant":
            return self.writing["participants"].send(call, places, sender)
        return super().act(function, call, places, sender)

    def _integrate(self, arguments: rest.Arguments, context: rest.Context) -> Iterator[rest.Row]:
        """Reads the session first, because the response contains only the id of the task."""
        places = self.resolve(arguments["session"])

        def job(sender: rest.Sender) -> rest.Row:
            found = self.writing["sessions"].look(places, sender)
            if found is None:
                name = rest.name_of(_SESSION, places)
                what = f"{self.source.name}.integrate_session: session {name}"
                raise rest.NotFoundError(f"{what} does not exist or is deleted. Nothing was sent.")
            core, call = self.core(found), self.operations["integrate"].call(places)
            response = sender.send(call)
            frame = rest.DecodeContext(response.what)
            task = rest.text_of(self._fields["task_id"])(response.object(), frame)
            return (*core, task, rest.response_of(response))

        yield rest.run_job(self.client, context, job)


def _enabled(value: rest.Value, where: str) -> bool:
    if value is None:
        raise rest.refused(where, "cannot be empty")
    return bool(value)


def _settings(value: rest.Value, where: str) -> dict[str, Any]:
    return {} if value is None else rest.json_object(value, where)
