"""Which engines a statement is about, and the parameters that every list takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

from sessions_vtab.backends.vertex.names import Engine, SessionRef, is_session_id, parse_session
from sessions_vtab.backends.vertex.settings import Settings
from sessions_vtab.backends.vertex.tables import LISTING, PAGE_CAP, SCOPE
from sessions_vtab.errors import InvalidValueError, MissingParameterError
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.scan import Scan

__all__ = ["Listing", "Scope", "chooses_pages"]


@dataclass(frozen=True, slots=True)
class Listing:
    """The parameters of a list that a user may give.

    Attributes:
        filter: their filter text, '' for none.
        order: their order text, '' for none.
        token: the page to start at, '' for the first.
        size: rows a request, None for ours to choose.
    """

    filter: str = ""
    order: str = ""
    token: str = ""
    size: int | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, Value], where: str) -> Listing:
        """From the parameter columns of a scan; InvalidValueError naming ``where`` and column."""
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
        """Rows of the first page: asked for, or as many as LIMIT will probably take."""
        return self.size or max(1, min(limit or PAGE_CAP, PAGE_CAP))

    @property
    def full_size(self) -> int:
        """Rows of the pages behind it."""
        return self.size or PAGE_CAP


def chooses_pages(scan: Scan) -> bool:
    """Whether the statement has its own idea of the list: parameters of it, or page tokens."""
    return "next_page_token" in scan.columns or not scan.parameters.keys().isdisjoint(LISTING)


class Scope:
    """Turns scope columns, ids and names into engines and sessions.

    Args:
        settings: the defaults, and what ``scopes`` allows.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._where = f"Source {settings.source.name}"

    def engines(self, given: Callable[[str], tuple[Value, ...] | None]) -> list[Engine]:
        """The engines a scan is about.

        Args:
            given: the values WHERE demands of a scope column, None if it demands none.

        Raises:
            InvalidValueError: a value that no project, location or engine can have, or that the
                source's ``scopes`` do not allow. Nothing was sent.
            MissingParameterError: neither the source nor WHERE names an engine.
        """
        settings = self._settings
        defaults = dict(
            zip(SCOPE, (settings.project, settings.location, settings.engine), strict=True)
        )
        if settings.express and (given("project") is not None or given("location") is not None):
            return []  # They are NULL here, which equals nothing.
        choices = [self._choices(name, defaults[name], given(name)) for name in SCOPE]
        return [
            self._allowed(Engine(project, location, engine or ""))
            for project, location, engine in product(*choices)
        ]

    def session(self, name: Value) -> SessionRef | None:
        """The session of a full name, None if there can be none.

        Raises:
            InvalidValueError: the source's ``scopes`` do not allow its engine.
        """
        found = parse_session(name)
        if found is None or (found.engine.project is None) != self._settings.express:
            return None
        self._allowed(found.engine)
        return found

    def sessions(self, engines: list[Engine], ids: tuple[Value, ...]) -> list[SessionRef]:
        """Sessions by id; ids that no session can have are left out."""
        texts = [str(value) for value in ids if isinstance(value, str | int)]
        return [
            SessionRef(engine, text) for engine in engines for text in texts if is_session_id(text)
        ]

    def default(self, values: Mapping[str, Value]) -> Engine:
        """The engine of a row that is written."""

        def given(name: str) -> tuple[Value, ...] | None:
            return (values[name],) if values.get(name) is not None else None

        engines = self.engines(given)
        if not engines:
            raise InvalidValueError(
                f"{self._where}: project and location cannot be given with an API key."
            )
        return engines[0]

    def resolve(self, session: Value, values: Mapping[str, Value]) -> SessionRef:
        """The session that a function's argument or a row names, by id or full name.

        Raises:
            InvalidValueError: it is neither.
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

    def _allowed(self, engine: Engine) -> Engine:
        engine.check(self._where)
        parts = zip(SCOPE, (engine.project, engine.location, engine.engine), strict=True)
        for column, value in parts:
            allowed = self._settings.source.scopes.get(column)
            own = (self._settings.project, self._settings.location, self._settings.engine)
            if allowed is not None and value not in (*allowed, own[SCOPE.index(column)]):
                raise InvalidValueError(
                    f"{self._where}: {column} = {value!r:.80} is not allowed. The source's"
                    f" scopes allow only {', '.join(allowed)}. Nothing was sent."
                )
        return engine
