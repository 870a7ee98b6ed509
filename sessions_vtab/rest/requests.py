"""Which requests a scan makes: nothing is sent, and nothing is read.

``ScanRequests.reading`` decides which requests a scan begins with. ``scan``, ``preview`` (explain,
dry run) and ``prefetch`` (key look-ahead) all follow from it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from sessions_vtab.contract.backend import Context, Request, Resource
from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.model import Places, name_of, places_of
from sessions_vtab.contract.predicate import AllOf, Value, fields
from sessions_vtab.contract.scan import Scan
from sessions_vtab.contract.values import accept
from sessions_vtab.errors import InvalidValueError, SessionsError
from sessions_vtab.fetch import Paginator, Reader, RequestSpec, SinglePage
from sessions_vtab.rest.access import admits, capability_of, described, named_by
from sessions_vtab.rest.declaration import List, Operation, RestTable
from sessions_vtab.rest.parents import ParentKey, Parents

if TYPE_CHECKING:
    from sessions_vtab.rest.backend import RestBackend
    from sessions_vtab.rest.reading import RestResource


_GETS_PER_LIST: Final = 4  # A list of one page costs as much: GETs run in parallel.
_MOST_FORESEEN: Final = 100
"""Requests of scans that were prefetched and have not come yet."""
_ENCODED_PLACEHOLDER: Final = re.compile(r"%7B(\w+)%7D", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a read, and the values of the placeholders it was made of."""

    call: RequestSpec
    places: Places


@dataclass(frozen=True, slots=True)
class Reading:
    """The requests that a read begins with.

    Attributes:
        asked: the requests, in the order their rows are returned.
        lists: they are lists; else each reads one item.
        wanted: keys whose items are picked from the lists, and the places of these items among the
            rows: those that GETs would give them. None where all items count.
        pages: how the lists go on, where that follows from what they are asked for.
    """

    asked: tuple[Asked, ...]
    lists: bool
    wanted: Mapping[tuple[str, ...], int] | None = None
    pages: Paginator | None = None


Scope: TypeAlias = tuple[tuple[str, str], ...]
"""The placeholders of a list of parents that their names have, with values."""

_Foreseen = dict[AllOf, tuple[Scan, Reading]]

Given = Mapping[str, tuple[Value, ...]]
"""What conditions demand of columns: ``Scan.all_given``."""

Spread = Callable[[str, Operation], Iterable[str]]
"""The values that a placeholder can have, from the operation that lists them."""


class ScanRequests(Resource):
    """The requests of a declared table's scans.

    Args:
        spec: the declaration.
        owner: the declaration whose operations read it: that of its parent, or ``spec``.
        backend: the source it belongs to.
    """

    def __init__(self, spec: RestTable, owner: RestTable, backend: RestBackend) -> None:
        self.spec = spec
        self.owner = owner
        self.table = described(spec, owner, backend.location)
        self.backend = backend
        self.capability = self.declared()
        self.where = f"{backend.source.name}.{spec.table.name}"
        self.own = places_of(owner.name)
        self.sublist = spec.sublist
        self._rows_list = spec.list if spec.sublist else owner.list
        self._list_places = () if owner.list is None else owner.list.places
        self.looks_up_parents = self._has_list_of_parents()
        self._templates = {"name": spec.name, **named_by(spec, owner)}

    def declared(self) -> Capability:
        """What the table can do, as its declaration says."""
        of = self.backend
        return capability_of(self.spec, self.owner, of.scope, of.location, of.parse)

    def reading(self, scan: Scan, spread: Spread) -> Reading:
        """The requests of a scan; the one place that decides them."""
        if len(scan.where.terms) > 1 and () in scan.all_given().values():
            # Two conditions demand different values.
            return Reading((), lists=self._rows_list is not None)
        keys = self.keys(scan)
        if keys is None:
            return Reading(tuple(self.lists(scan, spread)), lists=True)
        if self.sublist:
            asked = (each for one in keys for each in self.each_of(one, scan))
            return Reading(tuple(asked), lists=True)
        if self.owner.get is None or self.by_list(keys, scan):
            scoped = self._scopes_of(keys)
            asked = (Asked(self.list_call(one, scan), one) for one in scoped)
            own = self.own
            wanted = {tuple(one[at] for at in own): place for place, one in enumerate(keys)}
            return Reading(tuple(asked), lists=True, wanted=wanted)
        addressable = filter(self.owner.get.addresses, keys)
        return Reading(tuple(map(self.get_of, addressable)), lists=False)

    def keys(self, scan: Scan) -> list[dict[str, str]] | None:
        """The values of the name's placeholders that the path's keys give; None to read lists."""
        if scan.path.name in {"list", "fan-out"} and not (self.sublist and not scan.path.fans_out):
            return None
        for key in scan.path.keys:
            template = self._templates.get(key)
            given = None if template is None else scan.given(key)
            if template is not None and given is not None:
                parsed = (self.backend.parse(template, value) for value in given)
                return self._distinct(one for one in parsed if one is not None)
        return self._distinct(self._products(self.own, scan, _unknown))

    def _distinct(self, found: Iterable[dict[str, str]]) -> list[dict[str, str]]:
        """Each item's values once, all of them allowed; an id that no row can have is left out."""
        own = self.own
        kept = {tuple(map(one.__getitem__, own)): one for one in found}
        return [
            self.backend.allowed({p: one[p] for p in own})
            for one in kept.values()
            if self.backend.fits(own[-1], one[own[-1]])
        ]

    def _products(self, places: Sequence[str], scan: Scan, spread: Spread) -> list[dict[str, str]]:
        """Every combination of the values that some placeholders have in a scan."""
        given = scan.all_given() if scan.where.terms else {}
        values = [self.values(place, scan, spread, given) for place in places]
        return [dict(zip(places, one, strict=True)) for one in product(*values)]

    def values(self, place: str, scan: Scan, spread: Spread, given: Given) -> Sequence[str]:
        """The values that a placeholder has in a scan, of which ``given`` is what it demands."""
        if place in given:
            return list(map(str, given[place]))
        if place in scan.parameters:
            parameter = scan.parameters[place]
            return [] if parameter is None else [str(parameter)]
        if place in self.backend.scope:
            return [self.backend.scope[place]]
        spec = self.owner.list
        if spec is not None and place in spec.each:
            each = spec.each[place]
            return list(spread(place, each)) if isinstance(each, Operation) else each
        return [self.backend.default_place(place)]  # An error that says where to put it.

    def lists(self, scan: Scan, spread: Spread) -> Iterator[Asked]:
        """The lists that a scan reads, or that its fan-out begins with."""
        if self.spec.parent and scan.path.fans_out:
            # LIMIT and conditions are about these rows, not about those of the parent.
            about = set(self._list_places)
            terms = (one for one in scan.where.terms if {f.column for f in fields(one)} <= about)
            yield from self.parent.lists(Scan(scan.path, AllOf(tuple(terms))), spread)
            return
        for places in self.scopes(scan, spread):
            yield Asked(self.list_call(places, scan), places)

    def scopes(self, scan: Scan, spread: Spread) -> list[dict[str, str]]:
        """The values of the list's placeholders, for each list that a scan reads; all allowed."""
        found = self._products(self._list_places, scan, spread)
        return list(map(self.backend.allowed, found))

    @property
    def parent(self) -> RestResource:
        """The table whose rows these belong to."""
        return self.backend.resources[self.spec.parent]

    def rows_list(self) -> List:
        """The list that has these rows."""
        if self._rows_list is None:
            raise AssertionError(f"{self.where} has no list")  # No path reads one.
        return self._rows_list

    def list_call(self, places: Places, scan: Scan) -> RequestSpec:
        """The first page of a list."""
        spec = self.rows_list()
        query: list[tuple[str, str | int]] = []
        size, cap = spec.pages.size, spec.pages.cap
        if cap is not None:
            query.append((size, self.page_size(scan) or min(scan.limit or cap, cap)))
        if self.sublist or (not self.spec.parent and self.keys(scan) is None):
            for column, name in spec.filters.items():
                query += ((name, str(value)) for value in scan.given(column) or ())
        if spec.hidden is not None and self.shows_hidden(scan):
            query.append(spec.hidden)
        return self.backend.call(spec, places, query=query)

    def page_size(self, scan: Scan) -> int | None:
        """Rows of a page as the parameter ``page_size`` says; None if it does not.

        Raises:
            InvalidValueError: a page cannot have that number of rows.
        """
        size, cap = scan.parameters.get("page_size"), self.rows_list().pages.cap
        if size is None:
            return None
        if not isinstance(size, int) or size < 1:
            raise InvalidValueError(f"{self.where}.page_size must be a number from 1 to {cap}.")
        return min(size, cap or size)

    def pages(self, scan: Scan) -> Paginator:
        """How the lists of a scan go on."""
        pages, size = self.rows_list().pages, self.page_size(scan)
        return pages if size is None else replace(pages, cap=size)

    def each_of(self, places: Places, scan: Scan) -> Iterator[Asked]:
        """What is asked to get these rows for one row of the parent."""
        if not self.sublist:
            yield self.get_of(places)
            return
        yield Asked(self.list_call(places, scan), places)

    def get_of(self, places: Places) -> Asked:
        """The request that reads one item."""
        if self.owner.get is None:
            raise AssertionError(f"{self.where} has no get")  # No path has keys then.
        return Asked(self.backend.call(self.owner.get, places), places)

    def by_list(self, keys: Sequence[Places], scan: Scan) -> bool:
        """Whether lists serve some keys better than a GET for each.

        They do for many keys where a list is one page, and for what no GET can read: hidden rows,
        and ids that cannot be a segment of a path.
        """
        spec, get = self.owner.list, self.owner.get
        if spec is None or not keys or (self.spec.parent and not self.spec.listed):
            return False
        if not set(self._list_places) <= set(self.own):
            return False  # What a key says does not tell which list it is in.
        if self.shows_hidden(scan):
            return True
        if get is not None and not all(map(get.addresses, keys)):
            return True
        many = len(keys) >= _GETS_PER_LIST * len(self._scopes_of(keys))
        return many and spec.whole and isinstance(spec.pages, SinglePage)

    def _scopes_of(self, keys: Sequence[Places]) -> list[dict[str, str]]:
        """The placeholders of the lists that hold some keys."""
        places = self._list_places
        scopes = {tuple(one[place] for place in places) for one in keys}
        return [dict(zip(places, one, strict=True)) for one in sorted(scopes)]

    # Parents that are not there

    def _has_list_of_parents(self) -> bool:
        """Whether a list may say that there are no rows for some keys."""
        spec = self.owner.list
        if not self.sublist or spec is None or self.owner.hides is not None:
            return False
        # What a key does not say has to be one of a few values that the declaration knows.
        unsaid = (spec.each.get(one, Operation("")) for one in spec.places if one not in self.own)
        return not any(isinstance(each, Operation) for each in unsaid)

    def scope_of(self, places: Places) -> Scope:
        """The part of a parent's name that its list has."""
        return tuple((one, places[one]) for one in self._list_places if one in self.own)

    def by_scope(self, asked: Iterable[Asked]) -> dict[Scope, set[ParentKey]]:
        """The parents that some requests are about, by scope."""
        found: dict[Scope, set[ParentKey]] = {}
        for one in asked:
            found.setdefault(self.scope_of(one.places), set()).add(self.parent_of(one.places))
        return found

    def parent_of(self, places: Places) -> ParentKey:
        """The parent that a request is about."""
        return tuple(map(places.__getitem__, self.own))

    def known_parents(self, context: Context) -> defaultdict[Scope, Parents]:
        """What the statement knows of parents, by scope: of those that were asked about."""
        key = self.spec.parent, self.backend, "parents"
        known = context.memory.setdefault(key, defaultdict(Parents))
        return cast("defaultdict[Scope, Parents]", known)

    def shown(self, context: Context) -> Shown:
        """The names that the statement has seen of this table's rows."""
        key = self.spec.table.name, self.backend, "shown"
        return cast("Shown", context.memory.setdefault(key, Shown()))

    def taken(self, asked: Sequence[Asked], context: Context) -> Iterator[Asked]:
        """As many requests, from the first on, as may be sent now although parents may be gone."""
        known, shown = self.known_parents(context), self.parent.shown(context)
        for one in asked:
            parents = known[self.scope_of(one.places)]
            key = self.parent_of(one.places)
            if key not in parents.asked and name_of(self.owner.name, one.places) not in shown:
                if parents.room < 1 and key not in parents.known:
                    return
                parents.take(key)
            yield one

    def parent_lists(self, scope: Scope) -> list[Asked]:
        """The lists that have all parents in a scope."""
        each = {} if self.owner.list is None else self.owner.list.each
        unsaid = [place for place in self._list_places if place not in self.own]
        values = product(*(map(str, cast("Sequence[str]", each[one])) for one in unsaid))
        every = [dict((*scope, *zip(unsaid, one, strict=True))) for one in values]
        whole = Scan(self.parent.capability.paths[-1])
        return [Asked(self.parent.list_call(one, whole), one) for one in every]

    def there(self, reading: Reading, known: Mapping[Scope, Parents]) -> Reading:
        """The same without the requests for parents that are not there."""
        if not any(one.ended for one in known.values()):
            return reading
        gone = set[ParentKey]()
        for scope, keys in self.by_scope(reading.asked).items():
            gone |= known[scope].lacks(keys) if scope in known else set()
        if not gone:
            return reading
        asked = (one for one in reading.asked if self.parent_of(one.places) not in gone)
        return replace(reading, asked=tuple(asked))

    def _unlisted(self, spec: List, scan: Scan) -> bool:
        return (
            bool(spec.each)
            and self.keys(scan) is None
            and any(
                isinstance(each, Operation)
                and scan.given(place) is None
                and place not in self.backend.scope
                for place, each in spec.each.items()
            )
        )

    def shows_hidden(self, scan: Scan) -> bool:
        """Whether a parameter asks for hidden rows, or a condition that they can meet."""
        hides = self.spec.hides
        if hides is None:
            return False
        asked = scan.parameters.get(hides.parameter)
        column = self.table.column(hides.parameter)
        if asked is not None and accept(column, asked, f"{self.where}.{hides.parameter}") == 1:
            return True
        return any(admits(term, hides.column) for term in scan.where.terms)

    # Shown, and sent early

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        # Parameters are given at once.
        if any(scan.given(key) is None for key in scan.path.keys if key not in scan.parameters):
            return super().preview(scan)  # A join will give it.
        reading = self.reading(scan, _unknown)
        calls = [one.call for one in reading.asked]
        if scan.path.fans_out:
            # Of the rows of the parent's list nothing is known yet.
            places = ({**self.unknown(), **one.places} for one in reading.asked)
            calls += (each.call for one in places for each in self.each_of(one, scan))
        return list(dict.fromkeys(map(self.readable, calls)))

    def readable(self, call: RequestSpec) -> Request:
        """A preview of a call, in which placeholders are not percent-encoded."""
        shown = self.backend.client.preview(call)
        return replace(shown, url=_ENCODED_PLACEHOLDER.sub(r"{\1}", shown.url))

    def unknown(self) -> dict[str, str]:
        """What stands in a preview for a row of which nothing is known yet."""
        return {one: f"{{{one}}}" for one in self.own}

    def prefetch(self, scans: Sequence[Scan], context: Context) -> int:
        """See ``Resource.prefetch``."""
        foreseen = cast("_Foreseen", context.memory.setdefault((self, "foreseen"), {}))
        reader = Reader(self.backend.client, context)
        for number, scan in enumerate(scans):
            reading = self._begun(scan, context)
            if reading is None:
                continue
            asked = reading.asked
            if self.looks_up_parents and not scan.path.fans_out:
                asked = tuple(self.taken(asked, context))
            reader.prefetch(one.call for one in asked)
            if len(asked) < len(reading.asked):
                return number
            if scan.path.keys and len(foreseen) < _MOST_FORESEEN:
                foreseen[scan.where] = scan, reading
        return len(scans)

    def _begun(self, scan: Scan, context: Context) -> Reading | None:
        """The requests that a scan begins with; None where that has to be asked for first."""
        try:
            if self.owner.list is not None and self._unlisted(self.owner.list, scan):
                return None  # What a placeholder can be has to be asked for first.
            reading = self.reading(scan, _unknown)
        except SessionsError:
            return None  # The scan itself raises it.
        if self.looks_up_parents and not scan.path.fans_out:
            return self.there(reading, self.known_parents(context))
        return reading

    def foreseen(self, scan: Scan, context: Context) -> Reading | None:
        """The requests of a scan by key that was prefetched: they take as long as its rows."""
        known = context.memory.get((self, "foreseen"))
        if not isinstance(known, dict):
            return None
        before, reading = known.pop(scan.where, (None, None))
        return reading if before == scan else None


def _unknown(place: str, _: Operation) -> list[str]:
    """Stands in the URL of a preview for values that have to be asked for first."""
    return [f"{{{place}}}"]


_SHOWN: Final = 5_000


class Shown:
    """The names of parents that a statement has seen, the last ones: these are there."""

    def __init__(self) -> None:
        self._names: set[object] = set()
        self._before: set[object] = set()

    def add(self, names: Iterable[object]) -> None:
        """Takes note of the names on a page."""
        self._names.update(names)
        if len(self._names) > _SHOWN:
            self._names, self._before = set(), self._names

    def __contains__(self, name: object) -> bool:
        return name in self._names or name in self._before
