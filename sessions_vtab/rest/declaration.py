"""What an author declares of a REST service: its operations, tables and functions, as data.

The engine makes everything else of it: the ways to read and write a table, the requests of a scan
(which a preview shows and a look-ahead starts early), outcomes of writes, calls of functions.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cache
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

from sessions_vtab.contract.backend import Arguments
from sessions_vtab.contract.capability import Filter, HiddenRows, ValueForm
from sessions_vtab.contract.model import (
    PLACEHOLDER,
    UNADDRESSABLE,
    Function,
    Places,
    Table,
    places_of,
)
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import (
    READ,
    WRITE,
    Item,
    Paginator,
    RequestSpec,
    Response,
    ResponseMatcher,
    SinglePage,
    path,
)


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """What the items of one answer have in common; backends add fields.

    Attributes:
        what: the answer, for errors: ``Response.what``.
    """

    what: str

    def wrong(self, field: str, expected: str) -> ProtocolError:
        """The error for a field that is not what the API describes."""
        return ProtocolError(
            f"{self.what}: the field {field} should be {expected}. The response was"
            " discarded. Does base_url point to the service itself?"
        )


F = TypeVar("F", bound=DecodeContext)

Getter: TypeAlias = Callable[[Item, F], Value]
"""Builds one column of an item."""


@dataclass(frozen=True, slots=True)
class RestFrame(DecodeContext):
    """What the items of one response have in common.

    Attributes:
        places: values of the placeholders of the request.
        missing: what it is about is not there, so that there are no items.
    """

    places: Places = field(default_factory=dict)
    missing: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Sent:
    """How a column is sent, where its type does not say it.

    Attributes:
        field: field of the body, or one inside another: ``owner.id``.
        by: makes the JSON value of the column's value, also of NULL in an UPDATE, and of where it
            comes from (``source.table.column``, for errors); raises InvalidValueError.
    """

    field: str
    by: Callable[[Value, str], Any]


Body: TypeAlias = Callable[[Mapping[str, Value], str], Any] | Mapping[str, str | Sent]
"""The JSON body: the field of each column or parameter, or a function of the values, those in the
row's name among them, and of where they come from (``source.table``, for errors)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API.

    Attributes:
        route: method and path, with placeholders: ``GET /v0/sessions/{session_id}``. A path may
            end with ``/`` or with a custom method: ``/sessions/{session_id}:append``.
        query: template of each query parameter that is always sent; its placeholders are columns,
            too.
        body: the JSON body, if there is one.
        headers: headers that the service wants beside the usual ones; never a credential.
        item: field of the response that holds the object; '' if the response is the object, or,
            for a write, if it is where ``get`` has it.
        missing: responses that mean "no such row".
        done: responses that mean "already done" when an earlier attempt may have acted.
        asks: True: it changes nothing, whatever its method is. False: it changes something, so
            that one without a complete response has an unknown outcome. None: by method, GET asks.
            A ``Get`` or ``List`` asks, an ``Insert``, ``Update`` or ``Delete`` does not.
        repeatable: whether sending it twice has the effect of sending it once; None: by method. It
            says nothing about whether it changes something.
        anonymous: it is sent without the credential.
        secret: placeholders whose values are cut from logs and errors.
    """

    route: str
    _: KW_ONLY
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    item: str = ""
    missing: tuple[ResponseMatcher, ...] = ()
    done: tuple[ResponseMatcher, ...] = ()
    asks: bool | None = None
    repeatable: bool | None = None
    anonymous: bool = False
    secret: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.route.partition(" ")[0]

    @property
    def changes(self) -> bool:
        """Whether the operation is there to change something on the server."""
        return self.method != "GET" if self.asks is None else not self.asks

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the placeholders of path and query."""
        return tuple(dict.fromkeys(places_of("".join((self.route, *self.query.values())))))

    def addresses(self, places: Places) -> bool:
        """Whether some values can be part of its path, so that it can ask for them."""
        return UNADDRESSABLE.isdisjoint(places[one] for one in places_of(self.route))

    def apart(self, call: RequestSpec) -> Hashable:
        """What tells its calls for different values apart, whatever page they ask for."""
        told = {name for name, template in self.query.items() if places_of(template)}
        return call.path, *(value for name, value in call.query if name in told)

    def call(self, places: Mapping[str, Any], **more: Any) -> RequestSpec:
        """The request for some values; nothing is sent.

        Args:
            places: values of the placeholders in path and query.
            more: further fields of the ``RequestSpec``; ``query`` is added to the operation's own.

        Raises:
            InvalidValueError: a value cannot be part of a path.
        """
        query = tuple((name, _filled(text, places)) for name, text in self.query.items())
        changes = self.changes
        given = {
            "kind": WRITE if changes else READ,
            "asks": not changes,
            "repeatable": self.repeatable,
            "missing": self.missing,
            "done": self.done,
            "headers": self.headers,
            "anonymous": self.anonymous,
            "secrets": self._secrets(places) if self.secret else (),
            **more,
            "query": (*query, *more.get("query", ())),
        }
        return RequestSpec(self.method, self._path(places), **given)

    def _path(self, places: Mapping[str, Any]) -> str:
        segments, verb = _segments(self.route)
        return path(
            *[str(places[name]) if name else _filled(text, places) for text, name in segments],
            verb=verb,
        )

    def _secrets(self, places: Mapping[str, Any]) -> tuple[str, ...]:
        """Each secret value as it stands in URLs, and as it stands in texts."""
        values = [str(places[name]) for name in self.secret]
        return tuple(text for value in values for text in (quote(value, safe=""), value))

    def object_in(self, response: Response) -> Item | None:
        """The object in a response; None if it holds none."""
        found = response.field(self.item) if self.item else response.object()
        return found if isinstance(found, dict) and found else None


@cache
def _segments(route: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The segments of a route, each with its placeholder if it is nothing else; what ends it."""
    whole, colon, verb = route.partition(" ")[2].partition(":")
    slash = "/" if whole.endswith("/") else ""
    texts = whole.strip("/").split("/")
    places = [match[1] if (match := PLACEHOLDER.fullmatch(text)) else "" for text in texts]
    return tuple(zip(texts, places, strict=True)), f"{slash}{colon}{verb}"


def _filled(text: str, places: Mapping[str, Any]) -> str:
    if "{" not in text:
        return text
    return PLACEHOLDER.sub(lambda place: str(places[place[1]]), text)


@dataclass(frozen=True, slots=True)
class Get(Operation):
    """Reads one row, by the columns its path and query name.

    Attributes:
        takes: conditions that a reader of the backend's own makes use of beside them.
    """

    _: KW_ONLY
    asks: bool | None = True
    takes: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class List(Operation):
    """Reads all rows, or those of the scope that its path and query name.

    Attributes:
        items: field that holds the rows; '' if the body is the list.
        pages: how the list goes on, and how large its pages may be.
        filters: query parameter by column; each takes one value, for ``=``.
        takes: conditions that a reader of the backend's own makes requests of.
        whole: its items have every field that ``get`` returns, so that it can stand for many GETs.
        exact: the filtered list holds exactly the rows that SQLite would keep.
        each: the values a placeholder can have, by placeholder, or the operation that lists them;
            its response is a list of texts. Used where neither the source nor the statement names
            one.
        hidden: query parameter and value that make the list include hidden rows.
        orders: columns that a reader of the backend's own can have the list sorted by.
        ascending: columns that the list is always sorted by.
        ordered_by: parameter columns that say how the list is sorted, or where it begins.
        of_item: which list an item is on, where its name does not say that: values of the list's
            placeholders by those of the name, as far as they are known by now, else nothing. So
            many items that are named are read from their list.
    """

    _: KW_ONLY
    asks: bool | None = True
    items: str = ""
    pages: Paginator = field(default_factory=SinglePage)
    filters: Mapping[str, str] = field(default_factory=dict)
    takes: tuple[Filter, ...] = ()
    whole: bool = True
    exact: bool = False
    each: Mapping[str, Operation | Sequence[str]] = field(default_factory=dict)
    hidden: tuple[str, str] | None = None
    orders: tuple[str, ...] = ()
    ascending: tuple[str, ...] = ()
    ordered_by: tuple[str, ...] = ()
    of_item: Callable[[Places], Mapping[str, str]] | None = None

    def call(self, places: Mapping[str, Any], **more: Any) -> RequestSpec:
        """The request of its first page; see ``Operation.call``."""
        return Operation.call(self, places, items=self.items, listing=True, **more)


@dataclass(frozen=True, slots=True)
class Insert(Operation):
    """Creates a row.

    Attributes:
        columns: columns that an INSERT takes, beside those of a body that is a mapping.
        required: of these, columns that must not be NULL.
    """

    _: KW_ONLY
    asks: bool | None = False
    columns: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Update(Operation):
    """Changes a row.

    Attributes:
        columns: columns that an UPDATE takes, beside those of a body that is a mapping.
    """

    _: KW_ONLY
    asks: bool | None = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete(Operation):
    """Removes a row."""

    _: KW_ONLY
    asks: bool | None = False


VERBS: Final = ("list", "get", "insert", "update", "delete")
"""The fields of a ``RestTable`` that are operations."""


@dataclass(frozen=True)
class RestTable:
    """One table of a service.

    Attributes:
        table: its columns.
        name: template of the resource name in column ``name``.
        fields: by column, the field of an item that it is, such as ``size`` or ``owner.id``, or a
            function that makes it. A column that is a placeholder needs no entry where items do not
            hold it.
        get: reads one row, or the row of ``parent`` that these rows are in.
        list: reads all rows; with ``parent``, those of one of its rows.
        insert: creates a row; None where the API cannot.
        update: changes a row; None where the API cannot.
        delete: removes a row; None where the API cannot.
        parent: table whose rows these belong to, such as a session's participants.
        inside: field of a parent's item that holds these rows, or a function that finds them; ''
            where ``list`` reads them.
        under: further columns that hold the name of something in a row of the parent, and the
            template of that name: the event of a part, for example. One with the parent's own
            template holds the parent's name, instead of ``session_name`` for ``sessions``.
        listed: the parent's list has these rows, too; else each is read by its own request.
        hides: rows that are left out unless a statement asks for them.
        hints: what to do instead, by action or column, where something cannot be written.
        hint: what to do where a key is missing.
        rows: how many rows there are, as an estimate for the planner.
        per_parent: how many rows one row of the parent has, likewise.
        follows: see ``Capability.follows``.
        forms: see ``Capability.forms``.
        made_from: see ``Capability.made_from``.
        per_minute: see ``Writes.per_minute``.
    """

    table: Table
    name: str
    fields: Mapping[str, str | Getter[RestFrame]] = field(default_factory=dict)
    get: Get | None = None
    list: List | None = None
    insert: Insert | None = None
    update: Update | None = None
    delete: Operation | None = None
    parent: str = ""
    inside: str | Callable[[Item, RestFrame], Iterable[Item]] = ""
    under: Mapping[str, str] = field(default_factory=dict)
    listed: bool = True
    hides: HiddenRows | None = None
    hints: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    rows: int = 10_000
    per_parent: int = 20
    follows: str = ""
    forms: Mapping[str, ValueForm] = field(default_factory=dict)
    made_from: str = ""
    per_minute: Mapping[str, int] = field(default_factory=dict)

    @property
    def sublist(self) -> bool:
        """Whether a list of its own reads its rows for each row of the parent."""
        return bool(self.parent) and self.list is not None


@dataclass(frozen=True, slots=True)
class RestFunction:
    """A function: one call, most often about one session, and the rows that its response gives.

    Attributes:
        function: its parameters, results and docs.
        operation: what is called; placeholders are parameters, and, if ``session`` is a parameter,
            those of the session's name.
        rows: makes rows of the response and the arguments. Or, for one row, by result, the field of
            the response's object that it is, or a function that makes it; a result without an entry
            is the argument or placeholder of that name, ``session_name`` or ``response``. None for
            the session's core columns followed by ``response``.
    """

    function: Function
    operation: Operation
    rows: (
        Callable[[Response, Arguments], Iterable[Row]]
        | Mapping[str, str | Getter[RestFrame]]
        | None
    ) = None
