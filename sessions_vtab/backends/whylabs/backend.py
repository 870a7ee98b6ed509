"""The backend ``whylabs``: guest sessions, and places for the profiles that they hold."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar, Self, TypeVar

from sessions_vtab.backends.whylabs import bodies, calls, wire
from sessions_vtab.backends.whylabs.sessions import Sessions, call_for, create, id_of
from sessions_vtab.backends.whylabs.settings import URLS, Settings, site_of
from sessions_vtab.errors import MissingParameterError, NotFoundError
from sessions_vtab.fetch import Call, Client, Lease, Line, Reply, deliver, lease, plain, run_job
from sessions_vtab.spec.backend import Arguments, Backend, Context, Resource, Routine
from sessions_vtab.spec.scan import Row
from sessions_vtab.spec.source import Source
from sessions_vtab.spec.write import Outcome, Request, Write

__all__ = ["WhylabsBackend"]

T = TypeVar("T")


class WhylabsBackend(Backend):
    """Guest sessions of one server.

    Args:
        settings: of the source.
        client: sends; given back by ``close``.
    """

    name: ClassVar[str] = "whylabs"
    urls: ClassVar[tuple[str, ...]] = URLS
    secret_ids: ClassVar[bool] = True

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._lease = Lease(client)
        self._source = settings.source.name
        self.resources: Mapping[str, Resource] = {"sessions": Sessions(client)}
        self.routines: Mapping[str, Routine] = {
            "claim_guest_session": self._claim,
            "create_dataset_profile_upload": self._dataset,
            "create_reference_profile_upload": self._reference,
            "batch_create_reference_profile_upload": self._references,
            "session_profile_observatory_link": self._links,
        }

    @classmethod
    def open(cls, source: Source) -> Self:
        """See ``Backend.open``."""
        settings = Settings(source)
        return cls(settings, lease(site_of(settings)))

    def describe(self) -> str:
        """See ``Backend.describe``."""
        site = self._lease.site
        if not self._settings.has_key:
            return f"WhyLabs sessions at {site.base_url} as a guest, without a key"
        credential = site.credential_for(site.origin).describe()
        return f"WhyLabs sessions at {site.base_url} with {credential} where one is needed"

    def preview(self, write: Write) -> Sequence[Request]:
        """See ``Backend.preview``."""
        return (self._lease.client.preview(call_for(write)),)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""

        def lane(_: Write) -> Hashable:
            return None

        def perform(write: Write, line: Line) -> Outcome:
            return create(write, line, self._settings)

        return deliver(self._lease.client, writes, context, lane, perform)

    def close(self) -> None:
        """See ``Backend.close``."""
        self._lease.close()

    def _claim(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        session_id = id_of(arguments["session"])
        org = arguments.get("org", self._settings.options.org_id)
        if org is None:
            raise MissingParameterError(
                f"{self._source}.claim_guest_session requires org: call"
                " claim_guest_session(session, org), or set org_id in the source's"
                " settings. Nothing was sent."
            )
        call = calls.claim_session(session_id, str(org))
        response = self._send(call, "claim_guest_session", context, wire.response_of)
        yield session_id, str(org), 1, response

    def _dataset(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        name = "create_dataset_profile_upload"
        body = bodies.dataset_body(arguments, f"{self._source}.{name}")
        call = calls.create_dataset_upload(id_of(arguments["session"]), body)
        yield self._send(call, name, context, wire.dataset_row)

    def _reference(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        name = "create_reference_profile_upload"
        body = bodies.reference_body(arguments, f"{self._source}.{name}")
        call = calls.create_reference_upload(id_of(arguments["session"]), body)
        yield self._send(call, name, context, wire.reference_row)

    def _references(self, arguments: Arguments, context: Context) -> Iterable[Row]:
        name = "batch_create_reference_profile_upload"
        body = bodies.references_body(arguments, f"{self._source}.{name}")
        call = calls.create_reference_uploads(id_of(arguments["session"]), body)
        rows = partial(wire.reference_rows, count=len(body["references"]))
        return self._send(call, name, context, rows)

    def _links(self, arguments: Arguments, context: Context) -> Iterable[Row]:
        name = "session_profile_observatory_link"
        body = bodies.links_body(arguments, f"{self._source}.{name}")
        call = calls.get_links(id_of(arguments["session"]), body)
        return self._send(call, name, context, wire.link_rows)

    def _send(self, call: Call, function: str, context: Context, made: Callable[[Reply], T]) -> T:
        """Sends a call that needs its session, and returns what ``made`` makes of the response.

        It is made inside the job, which knows whether the service has acted.

        Raises:
            NotFoundError: there is no such session any more.
        """

        def job(line: Line) -> T:
            reply = line.send(call)
            if reply.missing:
                raise self._gone(reply, function)
            return made(reply)

        return run_job(self._lease.client, context, job)

    def _gone(self, reply: Reply, function: str) -> NotFoundError:
        # What is "missing" is an object with a type; object() shows nothing of it.
        words = str(reply.json.get("message") or "no message")
        said = plain(self._lease.client.shown(words, reply.call)).rstrip(".")
        error = NotFoundError(
            f"{self._source}.{function}: {reply.call.method} {reply.url} returned 404 Not"
            f" Found: {said}. The guest session does not exist, has expired, or was"
            " claimed. Open another one with INSERT INTO sessions(user_id) VALUES"
            " ('..') RETURNING session_id."
        )
        error.status = reply.status
        return error
