"""Reading ``reasoning_engines``: the engines of a project and location, to find an id in SQL."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from sessions_vtab.backends.vertex.calls import Calls
from sessions_vtab.backends.vertex.names import Engine
from sessions_vtab.backends.vertex.previews import lacks_key, place_of, previewed
from sessions_vtab.backends.vertex.scope import Scope
from sessions_vtab.backends.vertex.settings import Settings
from sessions_vtab.backends.vertex.tables import ENGINES_CAPABILITY, ENGINES_TABLE
from sessions_vtab.backends.vertex.wire import Frame, RowMaker, engine_fields, last_segment
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.errors import InvalidValueError, SessionsError
from sessions_vtab.fetch import Call, Client, Reader, TokenPages

__all__ = ["ReasoningEngines"]


class ReasoningEngines(Resource):
    """The table ``reasoning_engines``."""

    table = ENGINES_TABLE
    capability = ENGINES_CAPABILITY

    def __init__(self, settings: Settings, client: Client, calls: Calls) -> None:
        self._settings = settings
        self._client = client
        self._calls = calls
        self._scope = Scope(settings)

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        reader = Reader(self._client, context)
        make = RowMaker(self.table, engine_fields, scan.columns)
        return self._listed(scan, make, reader) if _lists(scan) else self._got(scan, make, reader)

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        if lacks_key(scan):
            return previewed(
                self._client, [self._calls.get_engine(place_of(self._settings).engine)]
            )
        return previewed(self._client, self._first_calls(scan))

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        Reader(self._client, context).prefetch(
            call for scan in scans for call in self._known_calls(scan)
        )

    def _known_calls(self, scan: Scan) -> Iterator[Call]:
        try:
            yield from self._first_calls(scan)
        except SessionsError:
            return  # The scan itself reports the error.

    def _first_calls(self, scan: Scan) -> Iterator[Call]:
        if _lists(scan):
            return map(self._calls.list_engines, self._scope.places(scan.given))
        return map(self._calls.get_engine, self._wanted(scan))

    def _wanted(self, scan: Scan) -> list[Engine]:
        """The engines that a key names, leaving out those that cannot exist."""
        names = scan.given("name")
        if names is not None:
            found = [engine for name in names if (engine := self._scope.engine(name)) is not None]
        else:
            found = [
                Engine(place.project, place.location, str(value))
                for place in self._scope.places(scan.given)
                for value in scan.given("reasoning_engine") or ()
            ]
        return [engine for engine in found if _exists(engine) and self._scope.shows(engine.engine)]

    def _got(self, scan: Scan, make: RowMaker, reader: Reader) -> Generator[Page, None, None]:
        wanted = {self._calls.get_engine(one).path: one for one in self._wanted(scan)}
        calls = map(self._calls.get_engine, wanted.values())
        with closing(reader.gather(calls)) as replies:
            for reply in replies:
                if not reply.missing:
                    frame = Frame.of(reply, wanted[reply.call.path])
                    yield [make(reply.object(), frame)]

    def _listed(self, scan: Scan, make: RowMaker, reader: Reader) -> Generator[Page, None, None]:
        for place in self._scope.places(scan.given):
            call = self._calls.list_engines(place)
            with closing(reader.pages(call, TokenPages(), limit=scan.limit)) as replies:
                for reply in replies:
                    frame = Frame.of(reply, place)
                    items = reply.items()
                    shown = [one for one in items if self._scope.shows(last_segment(one, frame))]
                    yield make.page(shown, frame)


def _lists(scan: Scan) -> bool:
    return not scan.path.keys


def _exists(engine: Engine) -> bool:
    """Whether an id is valid for an engine; no request is made for others."""
    try:
        engine.check("reasoning_engines")
    except InvalidValueError:
        return False
    return True
