"""Which engines a statement refers to, and the parameters that every list accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from sessions_vtab.backends.vertex.names import (
    Engine,
    SessionRef,
    is_session_id,
    parse_engine,
    parse_session,
)
from sessions_vtab.backends.vertex.settings import Settings
from sessions_vtab.backends.vertex.tables import LISTING, PAGE_CAP, PLACE, SCOPE
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Scan
from sessions_vtab.errors import InvalidValueError, MissingParameterError

__all__ = ["Listing", "Scope", "chooses_pages"]


@dataclass(frozen=True, slots=True)
class Listing:
    """The list parameters that a user can give.

    Attributes:
        filter: the user's filter text, '' if not given.
        order: the user's order text, '' if not given.
        token: token of the page to start at, '' for the first page.
        size: rows per request, None to let the backend choose.
    """

    filter: str = ""
    order: str = ""
    token: str = ""
    size: int | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, Value], where: str) -> Listing:
        """Reads a scan's parameter columns; InvalidValueError names ``where`` and the column."""
        texts = {}
        for name in ("filter", "order_by", "page_token"):
            value = parameters.get(name)
            if value is not None and not isinstance(value, str):
                raise InvalidValueError(f"{where}.{name} must be text.")
            texts[name] = value or ""
        size = parameters.get("page_size")
        if size is not None and (not isinstance(size, int) or size < 1):
            raise InvalidValueError(f"{where}.page_size must be a number from 1 to {PAGE_CAP}.")
        capped = min(size, PAGE_CAP) if isinstance(size, int) else None
        return cls(texts["filter"], texts["order_by"], texts["page_token"], capped)

    def first_size(self, limit: int | None) -> int:
        """Number of rows of the first page: as given, or as many as LIMIT will probably need."""
        return self.size or max(1, min(limit or PAGE_CAP, PAGE_CAP))

    @property
    def full_size(self) -> int:
        """Number of rows of the following pages."""
        return self.size or PAGE_CAP


def chooses_pages(scan: Scan) -> bool:
    """Whether the statement gives list parameters of its own, or page tokens."""
    return "next_page_token" in scan.columns or not scan.parameters.keys().isdisjoint(LISTING)


class Scope:
    """Turns scope columns, ids and names into engines and sessions.

    Args:
        settings: settings of the source, with the default engine and the allowed ``scopes``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._where = f"Source {settings.source.name}"

    def engines(self, given: Callable[[str], tuple[Value, ...] | None]) -> list[Engine]:
        """Returns the engines that a scan refers to.

        Args:
            given: returns the values that WHERE requires of a scope column, None without such a
                condition.

        Raises:
            InvalidValueError: a value is not valid for a project, location or engine, or the
                source's ``scopes`` do not allow it. Nothing was sent.
            MissingParameterError: neither the source nor WHERE names an engine.
        """
        settings = self._settings
        defaults = dict(
            zip(SCOPE, (settings.project, settings.location, settings.engine), strict=True)
        )
        if settings.express and (given("project") is not None or given("location") is not None):
            return []  # These columns are NULL here, and NULL equals nothing.
        choices = [self._choices(name, defaults[name], given(name)) for name in SCOPE]
        return [
            self._allowed(Engine(project, location, engine or ""))
            for project, location, engine in product(*choices)
        ]

    def places(self, given: Callable[[str], tuple[Value, ...] | None]) -> list[Engine]:
        """Returns the projects and locations that a scan of engines refers to.

        Args:
            given: as for ``engines``.

        Returns:
            Engines whose ids mean nothing.

        Raises:
            InvalidValueError: see ``engines``.
        """
        defaults = {"project": self._settings.project, "location": self._settings.location}
        choices = [self._choices(name, defaults[name], given(name)) for name in PLACE]
        return [
            self._allowed(Engine(project, location, "0"), PLACE)
            for project, location in product(*choices)
        ]

    def engine(self, name: Value) -> Engine | None:
        """Returns the engine of a full name; None if no engine of a project can have it.

        Raises:
            InvalidValueError: the source's ``scopes`` do not allow its project or location.
        """
        found = parse_engine(name)
        return None if found is None or found.project is None else self._allowed(found, PLACE)

    def shows(self, engine: str) -> bool:
        """Whether the source's ``scopes`` let a statement see an engine of this id."""
        allowed = self._settings.source.scopes.get("reasoning_engine")
        return allowed is None or engine in (*allowed, self._settings.engine)

    def session(self, name: Value) -> SessionRef | None:
        """Returns the session of a full name, None if no session can have it.

        Raises:
            InvalidValueError: the source's ``scopes`` do not allow its engine.
        """
        found = parse_session(name)
        if found is None or (found.engine.project is None) != self._settings.express:
            return None
        self._allowed(found.engine)
        return found

    def sessions(self, engines: list[Engine], ids: tuple[Value, ...]) -> list[SessionRef]:
        """Returns sessions by id, leaving out ids that no session can have."""
        texts = [str(value) for value in ids if isinstance(value, str | int)]
        return [
            SessionRef(engine, text) for engine in engines for text in texts if is_session_id(text)
        ]

    def default(self, values: Mapping[str, Value]) -> Engine:
        """Returns the engine of a row to be written."""

        def given(name: str) -> tuple[Value, ...] | None:
            return (values[name],) if values.get(name) is not None else None

        engines = self.engines(given)
        if not engines:
            raise InvalidValueError(
                f"{self._where}: project and location cannot be given with an API key."
            )
        return engines[0]

    def resolve(self, session: Value, values: Mapping[str, Value]) -> SessionRef:
        """Returns the session that a function's argument or a row names, by id or full name.

        Raises:
            InvalidValueError: the text is neither.
        """
        if isinstance(session, str) and "/" in session:
            found = self.session(session)
        else:
            found = next(iter(self.sessions([self.default(values)], (session,))), None)
        if found is None:
            raise InvalidValueError(
                f"{self._where}: {session!r:.100} is not a valid session. An id has at most"
                " 63 lowercase letters, digits and hyphens; a full name is"
                " projects/../sessions/ID. Nothing was sent."
            )
        return found

    def _choices(
        self, column: str, default: str | None, given: tuple[Value, ...] | None
    ) -> tuple[str | None, ...]:
        if given is not None:
            return tuple(str(value) for value in given)
        if default is None and column == "reasoning_engine":
            raise MissingParameterError(
                f"{self._where} has no engine. Add WHERE reasoning_engine = '..', or put it"
                " into the source's URL (vertex://PROJECT/LOCATION/ENGINE)."
            )
        return (default,)

    def _allowed(self, engine: Engine, columns: Sequence[str] = SCOPE) -> Engine:
        engine.check(self._where)
        parts = zip(SCOPE, (engine.project, engine.location, engine.engine), strict=True)
        for column, value in parts:
            allowed = self._settings.source.scopes.get(column)
            own = (self._settings.project, self._settings.location, self._settings.engine)
            if column not in columns or allowed is None:
                continue
            if value not in (*allowed, own[SCOPE.index(column)]):
                raise InvalidValueError(
                    f"{self._where}: {column} = {value!r:.80} is not allowed. The source's"
                    f" scopes allow only {', '.join(allowed)}. Nothing was sent."
                )
        return engine
