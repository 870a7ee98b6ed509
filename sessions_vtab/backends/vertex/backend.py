"""The backend ``vertex``: sessions of Google Vertex AI Agent Engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from sessions_vtab.backends.vertex.calls import Calls
from sessions_vtab.backends.vertex.engines import ReasoningEngines
from sessions_vtab.backends.vertex.events import EventParts, Events
from sessions_vtab.backends.vertex.names import EventRef
from sessions_vtab.backends.vertex.requests import Requests
from sessions_vtab.backends.vertex.sessions import Sessions
from sessions_vtab.backends.vertex.settings import URLS, Settings, site_of
from sessions_vtab.backends.vertex.wire import Frame, last_segment
from sessions_vtab.backends.vertex.writing import Writer
from sessions_vtab.contract.backend import Arguments, Backend, Context, Resource, Routine
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.values import dump_json
from sessions_vtab.contract.write import Outcome, Request, Write
from sessions_vtab.errors import InvalidValueError, MissingParameterError, UnsupportedError
from sessions_vtab.fetch import Call, Client, Item, Lease, Line, lease, run_job

__all__ = ["VertexBackend"]


class VertexBackend(Backend):
    """Sessions and events of the engines of one project and location.

    Args:
        settings: settings of the source.
        client: sends the requests; ``close`` returns it.
    """

    name: ClassVar[str] = "vertex"
    urls: ClassVar[tuple[str, ...]] = URLS

    # Agent Engine documents no number for reads of sessions; this is Vertex AI's general one, for
    # each project and region: https://docs.cloud.google.com/vertex-ai/docs/quotas.
    reads_per_minute: ClassVar[int | None] = 600

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self.scope = settings.scope
        self._lease = Lease(client)
        self._site = client.site
        self._source = settings.source.name
        self._calls = Calls(settings)
        self._requests = Requests(settings, self._calls)
        self._writer = Writer(client, self._calls, self._requests)
        sessions = Sessions(settings, client, self._calls)
        self.resources: Mapping[str, Resource] = {
            "sessions": sessions,
            "events": Events(settings, client, self._calls, sessions),
            "event_parts": EventParts(settings, client, self._calls, sessions),
            **self._engines(settings, client),
        }
        self.routines: Mapping[str, Routine] = {
            "append_event": self._append_event,
            "compact_session": self._compact_session,
        }

    @classmethod
    def open(cls, source: Source) -> Self:
        """See ``Backend.open``."""
        settings = Settings(source)
        return cls(settings, lease(site_of(settings)))

    def _engines(self, settings: Settings, client: Client) -> dict[str, Resource]:
        """Table of engines; an API key without a project cannot list them (contract, section 1)."""
        if settings.express:
            return {}
        return {"reasoning_engines": ReasoningEngines(settings, client, self._calls)}

    def describe(self) -> str:
        """See ``Backend.describe``."""
        settings = self._settings
        scope = (settings.project, settings.location, settings.engine)
        place = "/".join(part for part in scope if part)
        credential = self._site.credential_for(self._site.origin).describe()
        return f"Vertex AI Agent Engine {place} at {self._site.base_url} with {credential}"

    def call_for(self, write: Write) -> Call | None:
        """Returns the call that a write would make, without sending it; None if it changes nothing.

        Raises:
            StatementError: a value is not valid; the error names its column.
        """
        return self._requests.of(write).call

    def preview(self, write: Write) -> Sequence[Request]:
        """See ``Backend.preview``."""
        call = self.call_for(write)
        return () if call is None else (self._lease.client.preview(call),)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""
        return self._writer.send(writes, context)

    def close(self) -> None:
        """See ``Backend.close``."""
        self._lease.close()

    def _append_event(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        values = dict(arguments)
        session = self._requests.resolve(values.pop("session", None))
        request = self._requests.append(session, values, "append_event")

        def job(line: Line) -> tuple[str | None, Item | None]:
            reply, item = self._writer.append(request, line, find=True)
            return None if reply is None else dump_json(reply.object()), item

        response, item = run_job(self._lease.client, context, job)
        frame = Frame(session.engine, "An event", session.session_id)
        event = None if item is None else EventRef(session, last_segment(item, frame))
        yield (
            None if event is None else event.name,
            None if event is None else event.event_id,
            session.name,
            response,
        )

    def _compact_session(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        session = self._requests.resolve(arguments.get("session"))
        call = self._calls.compact_session(session, self._compaction(arguments))
        operation = run_job(
            self._lease.client,
            context,
            lambda line: self._writer.follow(line.send(call), session.engine, line),
        )
        name = operation.get("name")
        yield (
            session.name,
            name if isinstance(name, str) else None,
            int(bool(operation.get("done"))),
            dump_json(operation),
        )

    def _compaction(self, arguments: Arguments) -> dict[str, object]:
        where = f"{self._source}.compact_session"
        if self._settings.express:  # Contract, section 1.
            raise UnsupportedError(
                f"{where}: the service cannot compact sessions with an API key. Use a source"
                " with a project: vertex://PROJECT/LOCATION/ENGINE."
            )
        fields = {"summarization": "summarization", "event_editing": "eventEditing"}
        chosen = {field: arguments[name] for name, field in fields.items() if arguments.get(name)}
        if not chosen:
            raise MissingParameterError(
                f"{where}: set summarization or event_editing, or both, to 'AUTO'."
            )
        if any(mode != "AUTO" for mode in chosen.values()):
            raise InvalidValueError(f"{where}: summarization and event_editing must be 'AUTO'.")
        return {"compaction": {field: {"mode": mode} for field, mode in chosen.items()}}
