"""What an emulated API and the application share: settings, errors, routes, ids, a state.

A small service answers in its own voice on an application that it shares with others: the
application has one set of exception handlers, but every API has its own error bodies; and the
server hands over a path whose `%2F` is already a slash. Both are mended in the route itself.
"""

from __future__ import annotations

import json
import random
import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar
from urllib.parse import unquote
from uuid import UUID
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.routing import Match
from starlette.types import Scope

from sessions_vtab.emulator.faults import Fault, FaultBook, RequestLog


def utc_now() -> datetime:
    """Return the time of this machine in UTC, with its microseconds."""
    return datetime.now(UTC)


def new_token() -> str:
    """Return a fresh control token: 32 hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """Settings of one running emulator; every service reads the same object.

    Attributes:
        strict_filters: Vertex: refuse every filter that Google does not document. Without it the
            whole AIP-160 grammar is accepted (Vertex contract, section 5).
        seed: Fill the services with the deterministic data set of this number; `None` starts empty.
        data: File that the state is loaded from at start, if it exists, and written to at stop.
        control_token: What the header `X-Emulator-Token` of a control request must carry.
        clock: The server's time; must be aware and should be UTC. Tests give a fixed one.
        delay: Seconds added to each API response (not to control requests), for benchmarks.
        engines: Vertex: ids of the only reasoning engines that exist at start. With `None` one
            exists from its first use on, if its id is a number that does not begin with `404`.
            Seeded, only the seeded and created ones exist besides.
        lenient_ttl: Vertex: accept a life of less than 24 hours, as the examples in ADK's own
            docstrings need (Vertex contract, section 3).
        operation_polls: Vertex: number of polls for which a new operation is not done yet.
        express: Vertex: project and location that the express paths, which name none, stand for.
        sessions: Vertex: number of sessions in the seeded data set.
        events: Vertex: number of events in it.
        hidden_gets: Vertex: number of GETs for which a new session is still 404, as in 2026-03
            (Vertex contract, section 4).
    """

    strict_filters: bool = False
    seed: int | None = None
    data: Path | None = None
    control_token: str = field(default_factory=new_token)
    clock: Callable[[], datetime] = utc_now
    delay: float = 0.0
    engines: tuple[str, ...] | None = None
    lenient_ttl: bool = False
    operation_polls: int = 0
    hidden_gets: int = 0
    express: tuple[str, str] = ("demo", "us-central1")
    sessions: int = 1200
    events: int = 20_000


JSON: TypeAlias = dict[str, Any] | list[Any] | str | float | int | bool | None
"""Any JSON value; objects and lists are not typed further."""


class Refusal(Exception):  # noqa: N818  (an answer that ends a request, not a fault of the server)
    """Ends a request with an error response; raised anywhere below an endpoint.

    Attributes:
        response: What the client gets, status and body.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response

    @classmethod
    def json(cls, status: int, body: object) -> Refusal:
        """Make a refusal with a JSON body."""
        return cls(JSONResponse(body, status))

    @classmethod
    def storage(cls, status: int, code: str, message: str) -> Refusal:
        """Make a refusal of an object store, in the XML of S3."""
        text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'
        return cls(Response(body, status, media_type="application/xml"))


def detail(error: RequestValidationError) -> list[dict[str, Any]]:
    """Return the rows of FastAPI's `{"detail": [...]}` for a request that breaks its schema.

    A row has type, loc, msg, input and, for some types, ctx; all are JSON.
    """
    return [_plain(dict(row)) for row in error.errors()]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row without what JSON cannot say: bytes as text, exceptions as their message."""
    row.pop("url", None)
    row["loc"] = list(row["loc"])
    row["input"] = _text(row.get("input"))
    if "ctx" in row:
        row["ctx"] = {key: _text(value) for key, value in row["ctx"].items()}
    return row


def _text(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    plain = (dict, list, str, int, float, bool, NoneType)
    return value if isinstance(value, plain) else str(value)


class Route(APIRoute):
    """A route that matches the path as it was sent and answers its refusals itself.

    Segments are split before they are decoded, so an id may hold any text, `/` too (`%2F`).
    """

    def invalid(self, error: RequestValidationError) -> Response:
        """Answer a request that breaks the schema: 422 with FastAPI's standard body."""
        return JSONResponse({"detail": detail(error)}, 422)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the raw path of a request; see the class."""
        raw = (scope.get("raw_path") or b"").decode("ascii", "replace")
        # A path that differs is no longer the one that was sent: the try without trailing slash.
        if "%2f" not in raw.lower() or unquote(raw) != scope["path"]:
            return super().matches(scope)
        match, child = super().matches({**scope, "path": raw})
        parameters = child.get("path_params", {})
        decoded = {k: unquote(v) if isinstance(v, str) else v for k, v in parameters.items()}
        return match, {**child, "path_params": decoded} if child else child

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler with refusals and schema errors turned into answers."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Refusal as refusal:
                return refusal.response
            except RequestValidationError as error:
                return self.invalid(error)

        return answer


ALPHANUMERIC = string.ascii_letters + string.digits


class Draws:
    """A source of ids; the n-th one depends on the seed, the service and n alone.

    Attributes:
        count: Number of ids drawn so far. It belongs to the service's state: who restores it
            never gets an id twice.
    """

    def __init__(self, service: str, seed: int | None) -> None:
        # Without a seed two emulators should not hand out the same "random" ids.
        self._salt = f"{service}:{secrets.token_hex(8) if seed is None else seed}"
        self.count = 0

    def uuid(self) -> str:
        """Return a version 4 UUID as text."""
        return str(UUID(int=self._next().getrandbits(128), version=4))

    def alphanumeric(self, length: int) -> str:
        """Return `length` letters and digits."""
        return "".join(self._next().choices(ALPHANUMERIC, k=length))

    def hexadecimal(self, length: int) -> str:
        """Return `length` lower-case hexadecimal digits."""
        return "".join(self._next().choices("0123456789abcdef", k=length))

    def _next(self) -> random.Random:
        self.count += 1
        return random.Random(f"{self._salt}:{self.count}")


class BytesModel(BaseModel):
    """A record with bytes, which need not be UTF-8: the data file, which is JSON, has base64."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class Service(ABC):
    """One emulated API with its state, which lives here and nowhere else.

    It begins as after `reset(settings.seed)`. Everything runs on the event loop's thread, so that
    nothing needs a lock; nothing may block.

    Attributes:
        name: The backend's name (`vertex`, `deepset`, ...); key of its part of the data file.
        route_class: What its routes are made of.
        settings: Those of the emulator.
        router: Its routes, included without a prefix. Routes of different services may not clash.
    """

    name: ClassVar[str]
    route_class: ClassVar[type[Route]] = Route

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.router = APIRouter(route_class=self.route_class)
        self.reset(settings.seed)

    @abstractmethod
    def reset(self, seed: int | None) -> None:
        """Forget everything; with a seed, fill in the deterministic data set of that number."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Return how many there are of what it keeps, by a word for several of them."""

    @abstractmethod
    def dump(self) -> JSON:
        """Return the whole state as JSON, for the data file."""

    @abstractmethod
    def load(self, dumped: JSON) -> None:
        """Replace the state by what `dump` once returned; ValueError if it is something else."""

    def summary(self) -> str:
        """Return what is there, as in the start-up line: `3 sessions, 0 events`; or nothing."""
        counts = self.counts()
        listed = ", ".join(f"{count} {what}" for what, count in counts.items())
        return listed if any(counts.values()) else ""

    def add_routes(self, *routes: tuple[str, str, Callable[..., Any]], **options: Any) -> None:
        """Add routes, given as method, path and endpoint; FastAPI's options are for all of them."""
        for method, path, endpoint in routes:
            self.router.add_api_route(
                path, endpoint, methods=[method], response_model=None, **options
            )


class DrawnState(BaseModel):
    """The state of an API.

    Attributes:
        draws: Number of ids drawn so far; kept so that a restored state repeats none.
    """

    draws: int = 0


_State = TypeVar("_State", bound=DrawnState)


class Stateful(Service, Generic[_State]):
    """A service whose whole state is one model.

    Attributes:
        model: The model.
        state: What it keeps.
        draws: Its ids.
    """

    model: type[_State]
    state: _State
    draws: Draws

    def reset(self, seed: int | None) -> None:
        """Forget everything; with a seed, fill in its data set."""
        self.state = self.model()
        self.draws = Draws(self.name, seed)
        if seed is not None:
            self.fill(seed)

    def clock(self) -> datetime:
        """Return the server's time."""
        return self.settings.clock()

    def fill(self, seed: int) -> None:
        """Fill in the data set of a seed; without one of its own, a seed sets the ids alone."""

    def dump(self) -> JSON:
        """Return the state as JSON; bytes are base64."""
        self.state.draws = self.draws.count
        dumped: JSON = self.state.model_dump(mode="json")
        return dumped

    def load(self, dumped: JSON) -> None:
        """Take back what `dump` returned; raises ValueError if it is something else."""
        self.state = self.model.model_validate_json(json.dumps(dumped))
        self.draws.count = self.state.draws


class Emulator:
    """The services with their log and faults.

    Attributes:
        delay: Seconds added to each API response; starts as `Settings.delay`.
        empty_page: The `empty_page` fault that was applied last: its token leads nowhere.
    """

    def __init__(self, settings: EmulatorSettings, services: Sequence[Service]) -> None:
        self.settings = settings
        self.services = tuple(services)
        self.log = RequestLog()
        self.faults = FaultBook()
        self.delay = settings.delay
        self.empty_page: Fault | None = None

    def reset(self, seed: int | None) -> None:
        """Start anew: all data, empty or of a seed; no faults; an empty log."""
        for service in self.services:
            service.reset(seed)
        self.clear_faults()
        self.log.reset()

    def clear_faults(self) -> None:
        """Take all faults out of force."""
        self.faults.clear()
        self.empty_page = None

    def summary(self) -> str:
        """Return what is loaded, as the start-up line shows it."""
        parts = ((service.name, service.summary()) for service in self.services)
        return ", ".join(f"{name} ({text})" if text else name for name, text in parts)

    def dump(self) -> dict[str, JSON]:
        """Return the state of all services."""
        return {service.name: service.dump() for service in self.services}

    def load(self, value: Any) -> None:
        """Replace the state of the services that the value has.

        Raises:
            ValueError: The value is not such a state; services before the wrong one are replaced.
        """
        if not isinstance(value, dict):
            raise ValueError("the data is not a JSON object")  # noqa: TRY004 (a wrong value)
        known = {service.name: service for service in self.services}
        unknown = sorted(set(value) - set(known))
        if unknown:
            raise ValueError(f"the data has parts for unknown services: {', '.join(unknown)}")
        for name, part in value.items():
            known[name].load(part)
