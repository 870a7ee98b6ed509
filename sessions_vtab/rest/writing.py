"""Writing a declared table: the request of each row, its body, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Action, Outcome, OutcomeState, Write
from sessions_vtab.contract.model import Column, ColumnType, Places, name_of, places_of, shape
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import load_json
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    ProtocolError,
    SessionsError,
    StatementError,
    UnknownOutcomeError,
    UnsupportedError,
)
from sessions_vtab.fetch import Paginator, RequestSpec, Response, Sender
from sessions_vtab.rest.access import noun, parent_column
from sessions_vtab.rest.declaration import Body, Operation, RestTable, Sent
from sessions_vtab.rest.reading import Found, RestResource

_NOTHING = "Nothing was sent."


@dataclass(frozen=True, slots=True)
class Change:
    """A write as it is sent.

    Attributes:
        call: the request.
        places: values of the placeholders of the row's name, as it is afterwards; without those
            that the service makes.
    """

    call: RequestSpec
    places: Places


def pages_of(
    call: RequestSpec, pages: Paginator, send: Callable[[RequestSpec], Response]
) -> Iterator[Response]:
    """The pages of a list, one request after the other, as a job reads them."""
    following: RequestSpec | None = call
    while following is not None:
        response = send(following)
        yield response
        following = pages.following(response)


class Writer:
    """Writes rows of one declared table. A backend overrides what its service does differently."""

    def __init__(self, resource: RestResource) -> None:
        self.resource = resource
        self.backend = resource.backend
        self.spec = resource.spec
        self.where = resource.where
        self._own = places_of(resource.spec.name)
        self._parent_column = parent_column(resource.spec, resource.owner)

    # Which request

    def change(self, write: Write) -> Change:
        """The request of a write; nothing is sent.

        Raises:
            StatementError: what is wrong with a value, naming its column.
        """
        operation, places = self.operation(write.action), self.places(write)
        values, renamed = write.values, self._renamed(write)
        if write.action is Action.INSERT:
            values = {**values, **places}
        elif callable(operation.body):
            values = {**places, **values}
        body = body_of(operation.body, values, self.where, self.spec.table.columns)
        call = self.backend.call(operation, {**values, **places}, json=body)
        if not renamed or self.spec.get is None:
            return Change(call, places)
        # Repeated, the old name is gone.
        return Change(replace(call, done=self.spec.get.missing), {**places, **renamed})

    def _renamed(self, write: Write) -> Places:
        """The parts of its name that an UPDATE changes; InvalidValueError if one is empty."""
        if write.action is not Action.UPDATE:
            return {}
        changed = {one: write.values[one] for one in self._own if one in write.values}
        for column, value in changed.items():
            if value in {None, ""}:
                raise refused(f"{self.where}.{column}", "cannot be empty")
        return {column: str(value) for column, value in changed.items()}

    def operation(self, action: Action) -> Operation:
        """What an action calls; raises UnsupportedError if the API has no such operation."""
        operations: Mapping[Action, Operation | None] = {
            Action.INSERT: self.spec.insert,
            Action.UPDATE: self.spec.update,
            Action.DELETE: self.spec.delete,
        }
        found = operations[action]
        if found is None:
            raise UnsupportedError(f"{self.where}: the API cannot {action.value} rows. {_NOTHING}")
        return found

    def places(self, write: Write) -> dict[str, str]:
        """The values of the name's placeholders that a write gives, with the source's own."""
        if write.action is not Action.INSERT:
            return self.named(write.key, self.spec)
        values = write.values
        if values.get("name") is not None:
            found = self.named(values["name"], self.spec)
        elif values.get(self._parent_column) is not None:
            found = self.named(values[self._parent_column], self.resource.owner)
        else:
            found = {}
        self._agree(values, found)
        given = {one: str(values[one]) for one in self._own if values.get(one) is not None}
        found = {**found, **given}
        defaults = [one for one in self._own if one not in found and one in self.backend.location]
        found |= {one: self.backend.default_place(one) for one in defaults}
        self._require(found)
        return self.backend.named(found)

    def _require(self, found: Places) -> None:
        insert = self.spec.insert
        needed = () if insert is None else (*insert.places, *insert.required)
        get = self.resource.owner.get
        named = () if get is None else places_of(get.route)
        for one in self._own:
            if one in named and one in found and not found[one]:
                raise InvalidValueError(f"{self.where}: {one} is empty. {_NOTHING}")
            if one in needed and one not in found:
                inner = self._parent_column and one in places_of(self.resource.owner.name)
                instead = f" (or {self._parent_column})" if inner else ""
                raise MissingParameterError(f"{self.where}: {one}{instead} is required. {_NOTHING}")

    def named(self, name: Value, table: RestTable) -> dict[str, str]:
        """The values in the name of a table's row; raises InvalidValueError for another form."""
        found = self.backend.parse(table.name, name)
        if found is None:
            raise InvalidValueError(
                f"{self.where}: {name!r:.120} is not a valid {noun(table)} name"
                f" ({shape(table.name)}). {_NOTHING}"
            )
        return self.backend.named(found)

    def _agree(self, values: Mapping[str, Value], named: Places) -> None:
        """Raises if a value contradicts the same part of the resource name."""
        said = dict(named)
        owner = self.resource.owner.name
        if self._parent_column and named:
            said[self._parent_column] = name_of(owner, named)
        for column, value in said.items():
            if values.get(column) is not None and str(values[column]) != value:
                raise InvalidValueError(
                    f"{self.where}: {column} = {values[column]!r:.80} contradicts the name. Give"
                    f" only one of them. {_NOTHING}"
                )

    def queue_key(self, write: Write) -> Hashable:
        """The row of the parent that a write is about: its writes are sent in order.

        None for what depends on nothing: a row whose id the service makes, and a row that is
        refused, since making its request says why.
        """
        try:
            places = self.places(write)
        except StatementError:
            return None
        owner = places_of(self.resource.owner.name)
        key = tuple(places.get(one) for one in owner)
        return None if None in key else key

    # What became of it

    def perform(self, write: Write, sender: Sender) -> Outcome:
        """Sends a write; errors are raised."""
        change = self.change(write)
        try:
            response = self.send(change.call, change.places, sender)
        except UnknownOutcomeError as unknown:
            get = None if self.spec.parent else self.spec.get
            named = get is not None and set(get.places) <= change.places.keys()
            if write.action is not Action.INSERT or not named:
                raise
            return self._settled(write, change, sender, unknown)
        return self.outcome(write, response, change.places, sender)

    def send(self, call: RequestSpec, places: Places, sender: Sender) -> Response:  # noqa: ARG002
        """Sends the request of a write; ``places`` name its row."""
        return sender.send(call)

    def outcome(self, write: Write, response: Response, places: Places, sender: Sender) -> Outcome:
        """The outcome of an accepted write; the row is read again only where that is needed."""
        if write.action is Action.DELETE:
            return self.accepted(write, write.key, response.status)
        if not places.keys() >= set(self._own):
            return self._created(write, response, places, sender)
        if not write.returning:
            return self.accepted(write, self.name(places), response.status)
        found = self.after(response, places, sender, self.operation(write.action))
        if self.spec.parent:
            found = self._inside(found, places)
        return self.answered(write, found, response.status)

    def name(self, places: Places) -> str:
        """The resource name of the row with some values."""
        return name_of(self.spec.name, places)

    def accepted(self, write: Write, key: str | None, status: int) -> Outcome:
        """The outcome of an accepted write without its row."""
        return Outcome(write, OutcomeState.SENT, key=key, http_status=status)

    def _created(self, write: Write, response: Response, places: Places, sender: Sender) -> Outcome:
        """The outcome where the service makes the id, so that only its response names the row."""
        try:
            found = self.made(write, response, places, sender)
        except ProtocolError as error:
            what = noun(self.spec)
            article = "An" if what[0] in "aeiou" else "A"
            raise UnknownOutcomeError(f"{error} {article} {what} may have been created.") from None
        return self.answered(write, found, response.status)

    def made(self, write: Write, response: Response, places: Places, sender: Sender) -> Found:  # noqa: ARG002
        """The row whose id the service made; raises ProtocolError if the response lacks it."""
        return self.resource.one(response, places, self.spec.insert)

    def answered(self, write: Write, found: Found, status: int | None = None) -> Outcome:
        """The outcome with a row as the service has it."""
        row = self.resource.row(found.item, found.frame)
        key = None
        if not self.backend.secret_ids:  # Such a name is for the caller, not for a log.
            key = self.name(self.resource.decoder.places(found.item, found.frame))
        return Outcome(write, OutcomeState.SENT, row, key, http_status=status)

    def _inside(self, found: Found, places: Places) -> Found:
        one = self.among(found, places)
        if one is None:
            owner = name_of(self.resource.owner.name, places)
            raise UnknownOutcomeError(
                f"{self.where}: the service accepted {places[self._own[-1]]!r:.80}, but does not"
                f" list it in {owner}."
            )
        return one

    def among(self, found: Found, places: Places) -> Found | None:
        """The row with some values, among those inside an item of the parent."""
        for one in self.resource.inside(found):
            named = self.resource.decoder.places(one.item, one.frame)
            if all(named[own] == places[own] for own in self._own):
                return one
        return None

    # Looking for what a lost response left behind

    def _settled(
        self, write: Write, change: Change, sender: Sender, unknown: UnknownOutcomeError
    ) -> Outcome:
        """The outcome of a create whose response was lost.

        Looks whether the row is there. If not, the request is sent once more: the id is the user's
        own, so no second row can come of it.
        """
        try:
            found = self.look(change.places, sender)
            if found is None:
                try:
                    again = self.send(change.call, change.places, sender)
                except ConflictError:
                    found = self.shown(change.places, sender)  # The first request took effect.
                    if found is None:
                        raise
                else:
                    return self.outcome(write, again, change.places, sender)
        except (ConflictError, UnknownOutcomeError):
            raise
        except SessionsError as error:
            raise unknown from error  # The first may have taken effect, whatever came later.
        if self.differs(write, change, found):
            name = self.name(change.places)
            raise UnknownOutcomeError(f"{unknown} {name} exists, but differs from the row.")
        return self.answered(write, found)

    def differs(self, write: Write, change: Change, found: Found) -> bool:  # noqa: ARG002
        """Whether a row with the name of a lost create is not what was sent."""
        row = self.resource.row(found.item, found.frame)
        at = self.spec.table.positions
        return any(row[at[column]] != value for column, value in write.values.items())

    def shown(self, places: Places, sender: Sender) -> Found | None:
        """The row that was written, as ``look`` has it; a service may show it with a delay."""
        return self.look(places, sender)

    def look(self, places: Places, sender: Sender) -> Found | None:
        """The row (or its parent's) as it is now; None if it is missing or hidden."""
        get = self.resource.owner.get
        if get is None:
            return None
        response = sender.send(self.backend.call(get, places))
        return None if response.missing else self.resource.one(response, places)

    def after(
        self, response: Response, places: Places, sender: Sender, write: Operation | None = None
    ) -> Found:
        """The row (or its parent's) in a response; read again where the response holds none."""
        found = None if response.already else self.resource.find(response, places, write)
        found = found or self.shown(places, sender)
        if found is None:
            name = name_of(self.resource.owner.name, places)
            raise UnknownOutcomeError(
                f"{sender.where}: {response.call.method} {response.url} was accepted, but {name}"
                " cannot be read. Try again later."
            )
        return found


# From SQL values to JSON: each is converted, and checked before it is sent.


def body_of(
    body: Body | None, values: Mapping[str, Value], where: str, columns: Iterable[Column]
) -> Any:
    """The body of some values.

    Args:
        body: as it is declared; None for none.
        values: canonical, by column or parameter.
        where: the table or function, for errors.
        columns: the columns or parameters, for their types; a placeholder need not be one.
    """
    if not isinstance(body, Mapping):
        return None if body is None else body(values, where)
    kinds, made = {one.name: one.type for one in columns}, dict[str, Any]()
    for name, sent in body.items():
        if name in values:
            value, what = values[name], f"{where}.{name}"
            if isinstance(sent, Sent):
                _put(made, sent.field, sent.by(value, what))
            else:
                _put(made, sent, _by_type(kinds.get(name), value, what))
    return made


def _put(body: dict[str, Any], field: str, value: Any) -> None:
    """Sets a field of a body, inside others if its name has dots."""
    *outer, last = field.split(".")
    for one in outer:
        body = body.setdefault(one, {})
    body[last] = value


def _by_type(kind: ColumnType | None, value: Value, what: str) -> Any:
    if value is None:
        return None
    if kind is ColumnType.JSON:
        return load_json(value, what)
    return bool(value) if kind is ColumnType.BOOLEAN else value


def refused(what: str, why: str) -> InvalidValueError:
    """The error for a value that is not sent: ``refused("t.votes", "must be a number")``."""
    return InvalidValueError(f"{what} {why}. Nothing was sent.")


def json_object(value: Value, what: str) -> dict[str, Any]:
    """The JSON object that a text holds; InvalidValueError for anything else."""
    loaded = load_json(value, what)
    if not isinstance(loaded, dict):
        raise refused(what, f"must be a JSON object, not {value!r:.60}")
    return loaded


def json_array(value: Value, what: str) -> list[Any]:
    """The JSON array that a text holds; InvalidValueError for anything else."""
    loaded = load_json(value, what)
    if not isinstance(loaded, list):
        raise refused(what, f"must be a JSON array ('[]' for none), not {value!r:.60}")
    return loaded


def rfc3339(value: Value, what: str) -> str:
    """A time as services write it, in UTC."""
    return times.to_rfc3339(times.require(value, what))
