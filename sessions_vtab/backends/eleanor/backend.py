"""The backend ``eleanor``: activity sessions of EleanorAI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from sessions_vtab.backends.eleanor.calls import Calls
from sessions_vtab.backends.eleanor.names import SessionRef
from sessions_vtab.backends.eleanor.reading import Finder, Participants, Sessions
from sessions_vtab.backends.eleanor.requests import Requests
from sessions_vtab.backends.eleanor.settings import Settings, site_of
from sessions_vtab.backends.eleanor.wire import Found, Wire
from sessions_vtab.backends.eleanor.writing import Writer
from sessions_vtab.errors import NotFoundError
from sessions_vtab.fetch import Call, Client, Lease, Line, Reply, lease, run_job
from sessions_vtab.fetch.rows import RowMaker
from sessions_vtab.schema.tables import SESSIONS
from sessions_vtab.spec.backend import Arguments, Backend, Context, Resource, Routine
from sessions_vtab.spec.scan import Row
from sessions_vtab.spec.source import Source
from sessions_vtab.spec.values import dump_json
from sessions_vtab.spec.write import Outcome, Request, Write

__all__ = ["EleanorBackend"]

_CORE = len(SESSIONS.visible)


class EleanorBackend(Backend):
    """Sessions and participants of one namespace, or of those that statements name.

    Args:
        settings: of the source.
        client: sends; given back by ``close``.
    """

    name: ClassVar[str] = "eleanor"

    about: ClassVar[str] = (
        "EleanorAI documents its session operations, their parameters and its error statuses,"
        " but not their paths, methods and body fields. Those are assumed; correct"
        " them with the source's settings api_prefix, routes and fields"
        " (routes.undelete = 'POST /sessions/{namespace}/{session}/undelete',"
        " fields.session_id = 'name'). Turns can be neither read nor appended."
        " DELETE hides a session: deleted = 1 or include_deleted = 1 shows it, and"
        " its name stays taken."
    )

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._lease = Lease(client)
        self._site = client.site
        self._calls = Calls(settings)
        self._requests = Requests(settings, self._calls)
        self._wire = Wire(settings.fields)
        self._writer = Writer(client, self._calls, self._requests, self._wire)
        self._core = RowMaker(SESSIONS, self._wire.columns)
        finder = Finder(settings, client, self._calls, self._wire)
        self.resources: Mapping[str, Resource] = {
            "sessions": Sessions(settings, finder, self._wire),
            "participants": Participants(settings, finder, self._wire),
        }
        self.routines: Mapping[str, Routine] = {
            "undelete_session": self._verb(self._calls.undelete_session),
            "truncate_session": self._verb(self._calls.truncate_session),
            "integrate_session": self._integrate,
            "bind_participant": self._bind,
            "unbind_participant": self._unbind,
        }

    @classmethod
    def open(cls, source: Source) -> Self:
        """See ``Backend.open``."""
        settings = Settings(source)
        return cls(settings, lease(site_of(settings)))

    def describe(self) -> str:
        """See ``Backend.describe``."""
        namespace = self._settings.namespace or "(any namespace)"
        credential = self._site.credential_for(self._site.origin).describe()
        return f"EleanorAI {namespace} at {self._site.base_url} with {credential}"

    def preview(self, write: Write) -> Sequence[Request]:
        """See ``Backend.preview``.

        Raises:
            StatementError: what is wrong with a value, naming its column.
        """
        return (self._lease.client.preview(self._requests.of(write).call),)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""
        return self._writer.send(writes, context)

    def close(self) -> None:
        """See ``Backend.close``."""
        self._lease.close()

    def _verb(self, make: Callable[[SessionRef], Call]) -> Routine:
        """A function about one session, answered with the session."""

        def routine(arguments: Arguments, context: Context) -> Iterator[Row]:
            ref = self._settings.resolve(arguments["session"])
            call = make(ref)

            def job(line: Line) -> Row:
                return self._answer(*self._writer.act(call, ref, line))

            yield run_job(self._lease.client, context, job)

        return routine

    def _bind(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        ref = self._settings.resolve(arguments["session"])
        participant = str(arguments["participant"])
        call = self._calls.bind_participant(ref, participant)

        def job(line: Line) -> Row:
            reply = self._writer.bind(call, ref, participant, line)
            return self._answer(reply, self._writer.after(reply, ref, line))

        yield run_job(self._lease.client, context, job)

    def _unbind(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        participant = str(arguments["participant"])
        unbind = self._verb(lambda ref: self._calls.unbind_participant(ref, participant))
        yield from unbind(arguments, context)

    def _integrate(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        """Reads the session first, because the response contains only the task id."""
        ref = self._settings.resolve(arguments["session"])
        call = self._calls.integrate_session(ref)

        def job(line: Line) -> Row:
            found = self._writer.look(ref, line)
            if found is None:
                raise NotFoundError(
                    f"{self._site.source}.integrate_session: session {ref.name} does not"
                    " exist or is deleted. Nothing was sent."
                )
            core = self._core(found.item, found.frame)[:_CORE]
            reply = line.send(call)
            return (*core, self._wire.task_id(reply), dump_json(reply.object()))

        yield run_job(self._lease.client, context, job)

    def _answer(self, reply: Reply, found: Found) -> Row:
        core: Row = self._core(found.item, found.frame)[:_CORE]
        return (*core, dump_json(reply.object()))
