"""The backend ``embedding_studio``: search sessions of EulerSearch's Embedding Studio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Self

from sessions_vtab.backends.embedding_studio.batches import Batches
from sessions_vtab.backends.embedding_studio.events import Events
from sessions_vtab.backends.embedding_studio.pushing import Pusher
from sessions_vtab.backends.embedding_studio.requests import Requests
from sessions_vtab.backends.embedding_studio.routines import Routines
from sessions_vtab.backends.embedding_studio.sessions import Sessions
from sessions_vtab.backends.embedding_studio.settings import site_of
from sessions_vtab.backends.embedding_studio.writing import Writer
from sessions_vtab.fetch import Call, Client, Lease, lease
from sessions_vtab.spec.backend import Backend, Context, Resource, Routine
from sessions_vtab.spec.source import Source
from sessions_vtab.spec.write import Outcome, Write

__all__ = ["EmbeddingStudioBackend"]


class EmbeddingStudioBackend(Backend):
    """Sessions, events and batches of one Embedding Studio.

    Args:
        client: sends; given back by ``close``.
    """

    name: ClassVar[str] = "embedding_studio"

    about: ClassVar[str] = (
        "Embedding Studio lists sessions by batch only: name session_id, or batch_id, which"
        " release_batch() answers; batch_id and session_number are NULL until this connection has"
        " seen the batch. Nothing can be deleted, and of a session only is_irrelevant can be set."
        " Times are whole seconds, at most 12 hours back. A session with 100 events or more shows"
        " all of them only if its batch is known: events WHERE session_id = '..' AND batch_id ="
        " '..'. payload_filter comes back with defaults filled in; forms the service would not keep"
        " are refused."
    )

    def __init__(self, client: Client) -> None:
        self._lease = Lease(client)
        self._site = client.site
        source = client.site.source
        batches = Batches(source)
        pusher = Pusher(source, batches)
        self._requests = Requests(source)
        self._writer = Writer(client, self._requests, pusher, batches)
        self.resources: Mapping[str, Resource] = {
            "sessions": Sessions(source, client, batches),
            "events": Events(client, batches),
        }
        self.routines: Mapping[str, Routine] = Routines(
            client, self._requests, pusher, batches
        ).by_name

    @classmethod
    def open(cls, source: Source) -> Self:
        """See ``Backend.open``."""
        return cls(lease(site_of(source)))

    def describe(self) -> str:
        """See ``Backend.describe``."""
        return f"Embedding Studio at {self._site.base_url}, without credential"

    def call_for(self, write: Write) -> Call | None:
        """The call a write would make, for a dry run. Sends nothing.

        Raises:
            StatementError: what is wrong with a value, naming its column.
        """
        return self._requests.of(write)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""
        return self._writer.send(writes, context)

    def close(self) -> None:
        """See ``Backend.close``."""
        self._lease.close()
