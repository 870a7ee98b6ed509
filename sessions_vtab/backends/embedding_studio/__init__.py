"""EulerSearch's Embedding Studio: search sessions, their clicks, and batches for improvement.

Peculiarities of the service, and how this backend handles them:

- There is no list of all sessions: they are read by id or by batch. A batch's id is returned only
  by ``release_batch``. Each connection remembers the batches it has seen, with their sessions.
- A session's route returns at most 100 events and does not say whether there are more. The others
  are read from its batch; it is an error if the batch is not known.
- Registering an id twice changes nothing but is reported as success. So the stored session is read
  back, and a difference is an error. Events are checked before they are sent.
- ``payload_filter`` is stored changed or truncated. Forms that are known to be lost are refused;
  all others are compared with what was stored.
- Times are whole seconds, at most 12 hours in the past and 5 minutes in the future.

Here is what is declared of it, and its functions; ``reading`` reads batches, ``writing`` makes
bodies and compares what was stored.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from sessions_vtab import rest
from sessions_vtab.backends.embedding_studio import reading, writing
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.tables import EVENTS, SESSIONS, event_columns, session_columns

_OF_NUMBER: Final = rest.Filter("session_number", rest.EQUALITY | rest.RANGE)

_IN_FRONT: Final = (
    "Embedding Studio needs no credential, and its sources have none. The request was refused"
    " by something in front of it, such as a proxy. Check base_url."
)
_IRRELEVANT: Final = "/clickstream/session/irrelevant"
_BY_ID: Final = {"session_id": "session_id"}
_batch_id = rest.text_of("batch_id", required=True)


class EmbeddingStudioOptions(rest.OpenOptions):
    """Settings of a source; the service takes no credential."""

    base_url: str
    api_prefix: str = "/api/v1"


class EmbeddingStudioBackend(rest.RestBackend):
    """Sessions, events and batches of one Embedding Studio."""

    name = "embedding_studio"
    title = "Embedding Studio"
    about = (
        "Embedding Studio can list sessions only by batch: give session_id, or a batch_id"
        " returned by release_batch(). batch_id and session_number are NULL until"
        " this connection has read the batch. Nothing can be deleted, and"
        " is_irrelevant is the only column of a session that can be set. Times are"
        " whole seconds, at most 12 hours old. A session with 100 or more events"
        " shows all of them only if its batch is given: events WHERE session_id ="
        " '..' AND batch_id = '..'. payload_filter is returned with defaults filled"
        " in; filters that the service would not store are refused."
    )
    options = EmbeddingStudioOptions
    readers = {"sessions": reading.StudioSessionReader, "events": reading.StudioEventReader}
    writers = {"sessions": writing.StudioSessionWriter, "events": writing.StudioEventWriter}
    statuses = {
        400: "Times must lie between 12 hours before and 5 minutes after the service's clock;"
        " without a time, the service uses its own. Nothing in this request was stored.",
        401: _IN_FRONT,
        403: _IN_FRONT,
        404: "Register the session first with INSERT INTO sessions, or check base_url.",
        500: "The service failed. It fails on every read whose result includes a session without a"
        " search_query; exclude that session by its session_number.",
    }
    gone = (
        "Now no batch is collecting sessions. Nothing was released; the next registered session"
        " starts a new batch."
    )
    functions_declared = (
        rest.RestFunction(
            FUNCTIONS["mark_session_irrelevant"],
            rest.Operation(f"POST {_IRRELEVANT}", repeatable=True, body=_BY_ID),
            {"is_irrelevant": lambda *_: 1},
        ),
        # Each call schedules the session once more, and no response says whether it did.
        rest.RestFunction(
            FUNCTIONS["use_session_for_improvement"],
            rest.Operation("POST /clickstream/internal/session/use-for-improvement", body=_BY_ID),
            {"scheduled": lambda *_: None, "reason": lambda *_: None},
        ),
        rest.RestFunction(
            FUNCTIONS["release_batch"],
            rest.Operation(
                "POST /clickstream/internal/batch/release",
                repeatable=True,
                body={"release_id": "release_id"},
                missing=(rest.ResponseMatcher(404, r"^There is no collecting batch$", "detail"),),
            ),
            {"batch_id": _batch_id, "release_time": rest.epoch_of("released_at")},
        ),
    )

    def __init__(self, source: rest.Source) -> None:
        super().__init__(source)
        self.batches = reading.Batches(source.name, self.resources["sessions"].rows_list())
        self.clicks = writing.StudioEventWriter(self.resources["events"])

    def make_site(self) -> rest.Endpoint:
        # A 500 of this service is an uncaught exception that will most likely occur again.
        return replace(super().make_site(), once_more=(500,))

    def declare(self) -> Sequence[rest.RestTable]:
        texts = ("session_id", "user_id", "search_query", "is_irrelevant")
        objects = ("payload_filter", "sort_by")
        own = ("search_query", "search_results", "search_meta", *objects)
        sessions = rest.RestTable(
            SESSIONS.extended(
                *session_columns(*own, "is_irrelevant", "batch_id", "session_number", "events"),
                hidden=session_columns("page_size"),
                example="SELECT session_id, user_id FROM sessions WHERE batch_id = '65f0a1'",
            ),
            reading.SESSION,
            {
                **{one: one for one in texts},
                **{one: rest.json_of(one) for one in ("search_meta", *objects)},
                **{one: rest.json_of(one, list) for one in ("search_results", "events")},
                "create_time": rest.epoch_of("created_at"),
                "batch_id": lambda item, _: self.batches.place_of(item)[0],
                "session_number": lambda item, _: self.batches.place_of(item)[1],
            },
            get=rest.Get(
                "GET /clickstream/session",
                query={"session_id": "{session_id}"},
                missing=(rest.ResponseMatcher(404, r"^Session with id=", "detail"),),
                takes=(rest.Filter("batch_id", rest.EQUALITY), _OF_NUMBER),
            ),
            list=rest.List(  # An unknown batch is empty.
                "GET /clickstream/internal/batch/sessions",
                query={"batch_id": "{batch_id}"},
                items="sessions",
                pages=reading.BatchPages(),
                takes=(_OF_NUMBER, rest.Filter("session_id", rest.EQUALITY)),
                ascending=("session_number",),
                of_item=lambda places: self.batches.holding(places["session_id"]),
            ),
            insert=rest.Insert(
                "POST /clickstream/session",
                repeatable=True,
                body=writing.SESSION_BODY,
                required=("session_id", "search_query", "search_results"),
            ),
            update=rest.Update(
                f"POST {_IRRELEVANT}",
                repeatable=True,
                body=writing.irrelevant_body,
                columns=("is_irrelevant",),
            ),
            hints={
                "delete": "Embedding Studio never deletes sessions; mark_session_irrelevant()"
                " excludes one from training.",
                "update": "A registered session cannot be changed, except by setting"
                " is_irrelevant = 1.",
                "is_irrelevant": "Register the session, then set is_irrelevant = 1.",
                "batch_id": "The session is added to the batch that is collecting.",
                "session_number": "The batch assigns it.",
                "events": "Use INSERT INTO events(session_id, object_id).",
            },
            hint="Embedding Studio cannot list all sessions. Give session_id, or a batch_id"
            " returned by SELECT batch_id FROM release_batch('..').",
            rows=1_000,
        )
        clicks = "Events are clicks here; use object_id, event_type and meta."
        events = rest.RestTable(
            EVENTS.extended(
                *event_columns("object_id", "event_type", "meta"), hidden=event_columns("batch_id")
            ),
            writing.EVENT,
            {
                **{one: one for one in ("event_id", "object_id", "event_type")},
                "timestamp": rest.epoch_of("created_at"),
                "meta": rest.json_of("meta"),
            },
            insert=rest.Insert(
                "POST /clickstream/session/events",
                repeatable=True,
                body=writing.events_body,
                columns=("event_id", "timestamp", "object_id", "event_type", "meta", "batch_id"),
                required=("session_id", "object_id"),
            ),
            parent="sessions",
            inside=reading.events_in,
            hints={
                "update": "Events cannot be changed: insert another one.",
                "delete": "Embedding Studio never deletes events.",
                "author": clicks,
                "content": clicks,
            },
            hint="Embedding Studio cannot list all events. Give a session, or a batch to read the"
            " events of all its sessions.",
        )
        return sessions, events

    def send(self, writes: Sequence[rest.Write], context: rest.Context) -> Iterable[rest.Outcome]:
        """The events of a session go together, in the place of the first."""
        groups: dict[Hashable, list[rest.Write]] = {}
        for write in self.in_order(writes):
            session = self._queue_key(write) if write.table == "events" else None
            groups.setdefault(write.number if session is None else session, []).append(write)
        return rest.deliver_groups(
            self.client, list(groups.values()), context, self._queue_key, self._perform
        )

    def _queue_key(self, write: rest.Write) -> Hashable:
        return self.writing[write.table].queue_key(write)

    def _perform(self, group: Sequence[rest.Write], sender: rest.Sender) -> list[rest.Outcome]:
        if group[0].table == "events":
            return self.clicks.together(group, sender)
        return [self.writing["sessions"].perform(write, sender) for write in group]

    # Functions

    def own_functions(self) -> Sequence[tuple[rest.Function, rest.Routine]]:
        own = {"push_event": self._push_event, "batch_sessions": self._batch_sessions}
        return [(FUNCTIONS[name], routine) for name, routine in own.items()]

    def act(
        self, function: str, call: rest.RequestSpec, places: rest.Places, sender: rest.Sender
    ) -> rest.Response:
        response = super().act(function, call, places, sender)
        if function == "release_batch" and not response.missing:
            batch_id = _batch_id(response.object(), rest.DecodeContext(response.what))
            self.batches.known[str(batch_id)] = None
        return response

    def _push_event(self, arguments: rest.Arguments, context: rest.Context) -> Iterator[rest.Row]:
        """Sends an event whose id is new; without a given one, those in one response suffice."""
        places, given = self.resolve(arguments["session"]), arguments.get("event")
        values = {**arguments, **places, "event_id": given}
        body = writing.events_body(values, f"{self.source.name}.push_event")
        (event,), session_id = body["events"], places["session_id"]

        def job(sender: rest.Sender) -> rest.Response:
            known = self.clicks.known(session_id, sender, batch_id=None, whole=given is not None)
            if event["event_id"] in known:
                raise self.clicks.conflict(session_id, event["event_id"])
            return self.clicks.push(session_id, [event], sender)

        response = rest.run_job(self.client, context, job)
        name = rest.name_of(writing.EVENT, {**places, "event_id": event["event_id"]})
        session = rest.name_of(reading.SESSION, places)
        yield name, event["event_id"], session, rest.dump_json(response.json)

    def _batch_sessions(
        self, arguments: rest.Arguments, context: rest.Context
    ) -> Iterator[rest.Row]:
        """Pages of a batch, which are rows of ``sessions``."""
        batch_id, resource = str(arguments["batch"]), self.resources["sessions"]
        after, events = (arguments.get(name) for name in ("after_number", "events_limit"))
        results = FUNCTIONS["batch_sessions"].results
        at = [resource.table.positions[column.name] for column in results]
        reader = rest.Reader(self.client, context)
        limit = None if events is None else int(events)
        call = self.batches.page(batch_id, int(after or 0), reading.PAGE, limit)
        with closing(reader.pages(call, reading.BatchPages())) as responses:
            for response in responses:
                frame = rest.RestFrame(response.what, {"batch_id": batch_id})
                for item in self.batches.saw_page(response, batch_id):
                    row = resource.row(item, frame)
                    yield tuple(row[place] for place in at)
