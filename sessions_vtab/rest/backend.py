"""``RestBackend``: a declared service, opened for one source."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from sessions_vtab.contract.backend import (
    Action,
    Arguments,
    Backend,
    Context,
    Outcome,
    Request,
    Routine,
    Source,
    Write,
)
from sessions_vtab.contract.capability import ValueForm
from sessions_vtab.contract.model import UNADDRESSABLE, Function, Places, parse_name, places_of
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.tables import SESSIONS
from sessions_vtab.errors import (
    ConfigurationError,
    InvalidValueError,
    MissingParameterError,
    SessionsError,
)
from sessions_vtab.fetch import (
    NO_AUTH,
    ApiKey,
    Auth,
    Bearer,
    Client,
    ClientHandle,
    Endpoint,
    NoAuth,
    Reader,
    RequestSpec,
    Response,
    ResponseMatcher,
    Secret,
    Sender,
    deliver,
    plain,
    shared_client,
)
from sessions_vtab.fetch.endpoint import OpenOptions, RestOptions, validated, with_prefix
from sessions_vtab.rest.checking import check, check_overrides
from sessions_vtab.rest.declaration import Operation, RestFunction, RestTable
from sessions_vtab.rest.decoding import RowDecoder
from sessions_vtab.rest.endpoints import corrected, endpoints_of, for_people
from sessions_vtab.rest.functions import routine_of
from sessions_vtab.rest.reading import Found, RestResource
from sessions_vtab.rest.writing import Writer

_NOTHING: Final = "Nothing was sent."


class RestBackend(Backend):
    """A service that is declared: a subclass names its tables, functions and settings.

    What the service does differently is overridden: ``declare`` (tables that depend on settings),
    ``readers``, ``writers``, ``located``, ``credential``, ``send``, ``own_functions``, ``act``,
    ``missed``.

    Attributes:
        source: the configured source.
        settings: its validated options.
        scope: values of placeholders that its location gives.
        main: the table that functions are about.
        operations: what is declared, by the names of endpoints, where ``routes`` says it is.
    """

    title: ClassVar[str]
    """The service's name for people."""

    tables: ClassVar[tuple[RestTable, ...]] = ()
    functions_declared: ClassVar[tuple[RestFunction, ...]] = ()
    readers: ClassVar[Mapping[str, type[RestResource]]] = {}
    """Tables whose rows are read differently, and how."""

    writers: ClassVar[Mapping[str, type[Writer]]] = {}
    """Tables whose rows are written differently, and how."""

    location: tuple[str, ...] = ()
    """Placeholders that the location of a source's URL gives, in order: ``name://A/B?..``."""

    _usual_url: ClassVar[str] = ""
    _forms: Mapping[str, ValueForm] = MappingProxyType({})

    options: ClassVar[type[OpenOptions]] = RestOptions
    base_url_variable: ClassVar[str] = ""
    """Environment variable that ``base_url`` may come from."""

    no_default: ClassVar[str] = ""
    """Why ``base_url`` has no default, as a sentence."""

    hosts: ClassVar[tuple[str, ...]] = ()
    """Regular expressions for whole names of the provider's own hosts."""

    key_header: ClassVar[str] = ""
    """Header that the API key is sent in; '' for ``Authorization: Bearer``."""

    key_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that the key may come from, the first that is set."""

    statuses: ClassVar[Mapping[int, str]] = {}
    """What to do about a status, added to the error's text."""

    meanings: ClassVar[tuple[tuple[ResponseMatcher, type[SessionsError]], ...]] = ()
    """Refusals that mean something more exact than their status."""

    documented: ClassVar[Mapping[str, int]] = {}
    """Requests per minute that the service documents, by kind: ``read``, ``write``."""

    gone: ClassVar[str] = ""
    """What to say where what a function is about is missing."""

    def __init_subclass__(cls) -> None:
        """What a URL looks like follows from the location, unless ``urls`` says it."""
        if cls.urls in ((), (cls._usual_url,)):
            place = "/".join(cls.location).upper()
            cls._usual_url = f"{getattr(cls, 'name', '')}://{place}?base_url=https://HOST"
            cls.urls = (cls._usual_url,)

    def __init__(self, source: Source) -> None:
        self.source = source
        self.settings = validated(source, self.options, self.urls[0])
        self.scope = self.located()
        self._lease = ClientHandle(self._client())
        tables, functions = self.declare(), self.declare_functions()
        named: object = type(self).functions
        if isinstance(named, tuple | list):
            raise ConfigurationError(
                f"The backend {self.name}: functions: a REST backend declares its functions in"
                " functions_declared."
            )
        check(self.name, tables, functions, self.location)
        declared = endpoints_of(tables, functions)
        self.endpoints = {name: for_people(one.route) for name, one in declared.items()}
        try:
            tables, functions = corrected(tables, functions, self.settings.routes)
        except ValueError as error:
            raise ConfigurationError(f"Source {source.name}: {error}.") from None
        self.operations = endpoints_of(tables, functions)
        self._forms = {name: form for one in tables for name, form in one.forms.items()}
        specs = {one.table.name: one for one in tables}
        check_overrides(self, specs, RestResource, Writer)
        made = {
            name: self.readers.get(name, RestResource)(one, specs.get(one.parent, one), self)
            for name, one in specs.items()
        }
        self.resources: Mapping[str, RestResource] = made
        self.writing = {name: self.writers.get(name, Writer)(one) for name, one in made.items()}
        made_of = [(one.function, routine_of(one, self)) for one in functions]
        every = (*made_of, *self.own_functions())
        self.functions: Mapping[str, Function] = {one.name: one for one, _ in every}
        self.routines: Mapping[str, Routine] = {one.name: routine for one, routine in every}
        self.main = next(iter(made.values()))
        self._core = RowDecoder(SESSIONS, self.main.decoder.columns)

    @classmethod
    def open(cls, source: Source) -> Self:
        """See ``Backend.open``."""
        return cls(source)

    @property
    def client(self) -> Client:
        """Sends; raises UnsupportedError when the source is closed."""
        return self._lease.client

    @property
    def endpoint(self) -> Endpoint:
        """Where requests go."""
        return self._lease.endpoint

    def declare(self) -> Sequence[RestTable]:
        """The tables of this source, the one that functions are about first."""
        return self.tables

    def declare_functions(self) -> Sequence[RestFunction]:
        """The functions of this source."""
        return self.functions_declared

    def call(self, operation: Operation, places: Mapping[str, Any], **more: Any) -> RequestSpec:
        """The request of an operation; see ``Operation.call``."""
        return operation.call(places, **more)

    # Settings

    def located(self) -> dict[str, str]:
        """What the location of the source gives, by placeholder.

        Raises:
            ConfigurationError: it has another form, or a value that no path can have.
        """
        given = self.source.location.split("/") if self.source.location else []
        if len(given) > len(self.location):
            what = "" if self.location else f"{self.name} has no location. "
            raise ConfigurationError(
                f"Source {self.source.name}: {what}Write the URL as {self.urls[0]}"
            )
        return self.addressable(dict(zip(self.location, given, strict=False)))

    def addressable(self, scope: dict[str, str]) -> dict[str, str]:
        """The same values; raises ConfigurationError for one that no path can have."""
        for place, value in scope.items():
            if value in UNADDRESSABLE:
                raise ConfigurationError(
                    f"Source {self.source.name}: {value!r:.80} is not a valid {place}. Write the"
                    f" URL as {self.urls[0]}"
                )
        return scope

    def _client(self) -> Client:
        endpoint = self.make_site()
        transport = self.source.transport
        return (
            shared_client(endpoint) if transport is None else Client(endpoint, transport=transport)
        )

    def make_site(self) -> Endpoint:
        """Where requests go, and with which credential.

        Raises:
            ConfigurationError: ``base_url`` is missing, or is not a URL.
            CredentialError: a named credential must not go there.
        """
        credential, named = self.credential()
        return Endpoint.of(
            self.source,
            with_prefix(self.base_url(), self.settings.api_prefix),
            credential,
            provider=self.hosts,
            named=named,
            documented=self.documented,
            meanings=self.meanings,
            hints=self.statuses,
        )

    def base_url(self) -> str:
        """Where the service is; raises ConfigurationError if nothing says it."""
        base_url = self.settings.base_url or os.environ.get(self.base_url_variable)
        if not base_url:
            variable = f", or set {self.base_url_variable}" if self.base_url_variable else ""
            raise ConfigurationError(
                f"Source {self.source.name}: base_url is required. Write the URL as"
                f" {self.urls[0]}{variable}. {self.no_default}".rstrip()
            )
        return base_url

    def credential(self) -> tuple[Auth, bool]:
        """The credential, and whether the settings name it."""
        secret = named = self.settings.secret
        if secret is None:
            if not self.key_variables:
                return NO_AUTH, False
            found = (name for name in self.key_variables if os.environ.get(name))
            secret = Secret(variable=next(found, self.key_variables[0]))
        made = ApiKey(self.key_header, secret) if self.key_header else Bearer(secret)
        return made, named is not None

    @property
    def has_key(self) -> bool:
        """Whether a key is named, or is in its usual place."""
        usual = any(os.environ.get(name) for name in self.key_variables)
        return self.settings.secret is not None or usual

    def reads_back(self) -> bool:
        """Whether a request that needs the key has a chance."""
        credential = self.endpoint.credential_for(self.endpoint.origin)
        return self.has_key and not isinstance(credential, NoAuth)

    def describe(self) -> str:
        """See ``Backend.describe``."""
        place = "/".join(self.scope.get(one, f"(any {one})") for one in self.location)
        who = f"{self.title} {place}".rstrip()
        credential = self.endpoint.credential_for(self.endpoint.origin).describe()
        return f"{who} at {self.endpoint.base_url} with {credential}"

    # Scopes

    def default_place(self, place: str) -> str:
        """What the location gives for a placeholder; raises MissingParameterError if nothing."""
        if place not in self.scope:
            raise MissingParameterError(
                f"Source {self.source.name} has no {place}. Add {place} = '..' to the statement,"
                f" or put it into the source's URL ({self.urls[0]})."
            )
        return self.scope[place]

    def allowed(self, places: dict[str, str]) -> dict[str, str]:
        """The same values; raises InvalidValueError if one must not be asked for."""
        for place in self.location:
            # The source's own were checked when it was opened.
            if place in places and places[place] != self.scope.get(place):
                self._require_fitting(place, places[place])
        return places

    def _require_fitting(self, place: str, value: str) -> None:
        if not self.fits(place, value):
            form = self._forms.get(place)
            raise InvalidValueError(
                f"Source {self.source.name}: {plain(repr(value), 80)} is not a valid"
                f" {form.says if form else place}. {_NOTHING}"
            )

    def fits(self, place: str, value: str) -> bool:
        """Whether a value can stand for a placeholder; no row has another one."""
        form = self._forms.get(place)
        if form is not None:
            return form.fits(value)
        return place not in self.location or value not in UNADDRESSABLE

    def parse(self, template: str, name: object) -> dict[str, str] | None:
        """The values in a resource name; None if no row can have it."""
        found = parse_name(template, name)
        fits = found is not None and all(self.fits(*pair) for pair in found.items())
        return found if fits else None

    def named(self, places: dict[str, str]) -> dict[str, str]:
        """The values of a row that is written or acted on; InvalidValueError if it cannot exist."""
        for place, value in places.items():
            self._require_fitting(place, value)
        return places

    def seen(self, places: Places) -> None:
        """Called where a list was read, or a row by GET: the scope of these values exists."""

    def missed(self, places: Places, response: Response, reader: Reader) -> None:
        """Called for a row that a GET did not find; raises if more than the row is missing."""

    # Writing

    def preview(self, write: Write) -> Sequence[Request]:
        """See ``Backend.preview``."""
        return (self.client.preview(self.writing[write.table].change(write).call),)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``. Parents are created before what belongs to them."""
        in_turn = self.in_turn(writes)

        def queue_key(write: Write) -> Hashable:
            return "all" if in_turn else self.writing[write.table].queue_key(write)

        def perform(write: Write, sender: Sender) -> Outcome:
            return self.writing[write.table].perform(write, sender)

        return deliver(self.client, self.in_order(writes), context, queue_key, perform)

    def in_turn(self, writes: Sequence[Write]) -> bool:
        """Whether the writes depend on each other: after a renaming, rows may use either name."""
        return any(
            write.action is Action.UPDATE
            and not write.values.keys().isdisjoint(places_of(self.resources[write.table].spec.name))
            for write in writes
        )

    def in_order(self, writes: Iterable[Write]) -> list[Write]:
        """The writes with those that create a parent first.

        From the first write on that changes or removes parents, all keep their order: a row that is
        deleted and inserted again must not be created before it is gone.
        """
        parents = {one.spec.parent for one in self.resources.values()}
        created: list[Write] = []
        others: list[Write] = []
        changed = False
        for write in writes:
            inserts = write.action is Action.INSERT
            changed = changed or (write.table in parents and not inserts)
            first = write.table in parents and inserts and not changed
            (created if first else others).append(write)
        return created + others

    # Functions

    def own_functions(self) -> Sequence[tuple[Function, Routine]]:
        """Functions that are more than one call, each with its implementation."""
        return ()

    def resolve(self, session: Value) -> dict[str, str]:
        """The row that a function's argument names: by full name, else by id."""
        template = self.main.spec.name
        found = self.parse(template, session)
        if found is None:
            *scope, own = places_of(template)
            found = {**{one: self.default_place(one) for one in scope}, own: str(session)}
        return self.named(found)

    def arguments(self, function: str, given: Arguments) -> Arguments:  # noqa: ARG002
        """The arguments of a function, with what settings say of those that are missing."""
        return given

    def act(self, function: str, call: RequestSpec, places: Places, sender: Sender) -> Response:  # noqa: ARG002
        """Sends the call of a function; ``places`` name the row that it is about."""
        return sender.send(call)

    def core_of(self, response: Response, places: Places, sender: Sender) -> Row:
        """The core columns of the row that a function was about, as it is then."""
        return self.core(self.writing[self.main.table.name].after(response, places, sender))

    def core(self, found: Found) -> Row:
        """The core columns of a row that was found."""
        return self._core(found.item, found.frame)[: len(SESSIONS.visible)]

    def close(self) -> None:
        """See ``Backend.close``."""
        self._lease.close()
