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
from sessions_vtab.backends.embedding_studio.settings import URLS, site_of
from sessions_vtab.backends.embedding_studio.writing import Writer
from sessions_vtab.contract.backend import Backend, Context, Resource, Routine
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.write import Outcome, Request, Write
from sessions_vtab.fetch import Client, Lease, lease

__all__ = ["EmbeddingStudioBackend"]


class EmbeddingStudioBackend(Backend):
    """Sessions, events and batches of one Embedding Studio.

    Args:
        client: sends the requests; ``close`` returns it.
    """

    name: ClassVar[str] = "embedding_studio"
    urls: ClassVar[tuple[str, ...]] = URLS

    about: ClassVar[str] = (
        "Embedding Studio can list sessions only by batch: give session_id, or a batch_id"
        " returned by release_batch(). batch_id and session_number are NULL until"
        " this connection has read the batch. Nothing can be deleted, and"
        " is_irrelevant is the only column of a session that can be set. Times are"
        " whole seconds, at most 12 hours old. A session with 100 or more events"
        " shows all of them only if its batch is given: events WHERE session_id ="
        " '..' AND batch_id = '..'. payload_filter is returned with defaults filled"
        " in; filters that the service would not store are refused."
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
        return f"Embedding Studio at {self._site.base_url}, without a credential"

    def preview(self, write: Write) -> Sequence[Request]:
        """See ``Backend.preview``; events of one session are then sent together.

        Raises:
            StatementError: a value is not valid; the error names its column.
        """
        return (self._lease.client.preview(self._requests.of(write)),)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""
        return self._writer.send(writes, context)

    def close(self) -> None:
        """See ``Backend.close``."""
        self._lease.close()
