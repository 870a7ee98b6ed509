"""deepset: what it lists, counts and searches.

The upload sessions of a workspace are in two lists, active and expired. Some columns are only in
the lists, others only in the answer to a session's own GET.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, Final

from sessions_vtab import rest
from sessions_vtab.contract.predicate import AllOf, Compare, Field, Op, Predicate, Value

CAP: Final = 100
"""Most rows of a page."""

_LISTED: Final = frozenset(("status", "write_mode", "create_time", "is_expired", "created_by"))
"""Columns of ``upload_sessions`` that only the lists contain."""

_DETAILED: Final = frozenset(("failed_files", "finished_files", "documentation_url"))
"""Columns of ``upload_sessions`` that only a GET of the session contains."""

_STATUSES: Final = frozenset(("OPEN", "CLOSED", "EXPIRED"))
_FILE_STATUSES: Final = frozenset(("PENDING", "FAILED", "FINISHED"))
_RETRY: Final = "The response was discarded. Try again."
_session_id = rest.text_of("session_id", required=True)

# How lists go on. The three things that a page says of that have to agree.


@dataclass(frozen=True, slots=True)
class UploadSessionPages(rest.NumberedPages):
    """Numbered pages. The first page may be small, as LIMIT suggests; the others have full size.

    The number of a page depends on the page size, so the first page is requested again in full
    size. The reader must therefore recognise rows that it has already seen.
    """

    cap: int | None = CAP

    def following(self, response: rest.Response) -> rest.RequestSpec | None:
        """The next numbered page, or the first page in full size."""
        first = int(response.call.parameter("page_number") or 1) - 1
        _check(response, first * int(response.call.parameter("limit") or CAP))
        call = rest.NumberedPages.following(self, response)
        if call is None or response.call.parameter("limit") == self.cap:
            return call
        return call.with_query(limit=self.cap, page_number=1)


@dataclass(frozen=True, slots=True)
class FilePages(rest.Paginator):
    """Pages of which each starts after the last file of the previous one, by its time and id.

    The first page may be smaller, as LIMIT suggests.
    """

    size: str = "limit"
    cap: int | None = CAP

    def following(self, response: rest.Response) -> rest.RequestSpec | None:
        """The page that starts after the last row."""
        call, rows = response.call, response.items()
        # How many rows lie before a cursor is not known: at least one.
        if not _check(response, None if call.parameter("after_file_id") else 0):
            return None
        last = rows[-1]
        if not (isinstance(last.get("created_at"), str) and isinstance(last.get("file_id"), str)):
            raise rest.ProtocolError(f"{response.what}: the last row lacks created_at or file_id.")
        if last["file_id"] == call.parameter("after_file_id"):
            raise rest.ProtocolError(
                f"{response.what}: the page ends where it should begin. {_RETRY}"
            )
        return call.with_query(
            limit=self.cap, after_value=last["created_at"], after_file_id=last["file_id"]
        )


def _total_of(response: rest.Response) -> int:
    total = response.object().get("total")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise rest.ProtocolError(f"{response.what}: total should be a number.")
    return total


def _check(response: rest.Response, before: int | None) -> bool:
    """Whether another page follows.

    Args:
        response: the page.
        before: rows of the list on the pages before it; None if that is not known.

    Raises:
        ProtocolError: it contradicts itself: rows would be missing, or pages would never end.
    """
    rows, more = len(response.items()), response.object().get("has_more")
    total = _total_of(response)
    if not isinstance(more, bool):
        raise rest.ProtocolError(f"{response.what}: has_more should be true or false.")
    wrong = ""
    if more and not rows:
        wrong = "has no rows, but says that more follow"
    elif before is not None and not rows and total > before:
        wrong = f"has no rows, but its total is {total} and only {before} rows came before it"
    elif before is not None and more and before + rows >= total:
        wrong = f"says that more rows follow, but has the last of {total}"
    if wrong:
        raise rest.ProtocolError(f"{response.what} {wrong}. {_RETRY}")
    return more


class _WithTotal(rest.RestResource):
    """A table whose lists say how many rows they have, so that counting needs only one page.

    Attributes:
        same: columns that have the same value in every row of a list.
    """

    same: ClassVar[tuple[str, ...]] = ("workspace",)

    def scan(self, scan: rest.Scan, context: rest.Context) -> Iterator[rest.Page]:
        only = scan.columns <= {*self.same, self.table.key}
        if scan.path.name == "list" and only and not scan.parameters and scan.limit is None:
            return self._counted(scan, rest.Reader(self.backend.client, context))
        return super().scan(scan, context)

    def known(self, column: str, places: rest.Places) -> Value:
        """The value of such a column in the rows of a list."""
        return places.get(column)

    def _counted(self, scan: rest.Scan, reader: rest.Reader) -> Iterator[rest.Page]:
        """The first page of each list with the number of further rows, then those rows."""
        make = self.decoder.rows(self.table, scan.columns)
        pages, seen = self.pages(scan), set[Value]()
        reading = self.reading(scan, lambda _, __: ())

        def rows(response: rest.Response, asked: rest.Asked) -> list[rest.Row]:
            page = _fresh(self, self.page(response, asked.places, reading), seen)
            return [make(one.item, one.frame) for one in page]

        with closing(reader.gather([one.call for one in reading.asked])) as gathered:
            responses = list(zip(reading.asked, gathered, strict=True))
        first, further, nexts = list[rest.Row](), list[tuple[rest.Row, int]](), []
        for asked, response in responses:
            first += rows(response, asked)
            same = tuple(self.known(name, asked.places) for name in self.table.names)
            further.append((same, max(0, _total_of(response) - len(response.items()))))
            nexts.append((asked, pages.following(response)))
        at = frozenset(self.table.positions[name] for name in self.same)
        yield rest.Counted(first, further, at)
        for asked, call in nexts:
            if call is not None:
                with closing(reader.pages(call, pages)) as following:
                    yield from (rows(response, asked) for response in following)


def _fresh(
    table: rest.RestResource, page: Iterable[rest.Found], seen: set[Value]
) -> list[rest.Found]:
    """The rows of a page that were not seen before: pages overlap where a list changes."""
    fresh = []
    for one in page:
        name = table.decoder.columns["name"](one.item, one.frame)
        if name not in seen:
            seen.add(name)
            fresh.append(one)
    return fresh


class _OfSessions(rest.RestResource):
    """A table whose rows are asked for by the id of an upload session."""

    def keys(self, scan: rest.Scan) -> list[dict[str, str]] | None:
        """The service has ids in lower case."""
        found = super().keys(scan)
        return found and [{**one, "session_id": one["session_id"].lower()} for one in found]

    def found(self, scan: rest.Scan, reader: rest.Reader) -> rest.FoundPages:
        """Each row once: a small first page is read again, and a list may change meanwhile."""
        seen: set[Value] = set()
        with closing(super().found(scan, reader)) as pages:
            yield from (_fresh(self, page, seen) for page in pages)


class UploadSessionReader(_OfSessions, _WithTotal):
    """Rows of ``upload_sessions``: by id, or by the lists of active and expired ones."""

    same = ("workspace", "is_expired")

    def known(self, column: str, places: rest.Places) -> Value:
        found = super().known(column, places)
        return int(found == "true") if column == "is_expired" else found

    def values(
        self, place: str, scan: rest.Scan, spread: rest.Spread, given: rest.Given
    ) -> Sequence[str]:
        """Conditions tell which of the two lists can have rows."""
        if place != "is_expired":
            return super().values(place, scan, spread, given)
        kinds = {False, True}
        expired, statuses = given.get("is_expired"), given.get("status")
        if expired is not None:
            kinds &= {bool(value) for value in expired if value in (0, 1)}
        if statuses is not None and set(statuses) <= _STATUSES:
            kinds &= {status == "EXPIRED" for status in statuses}
        return ["true" if kind else "false" for kind in sorted(kinds)]

    def reading(self, scan: rest.Scan, spread: rest.Spread) -> rest.Reading:
        """What only the lists have leads to them."""
        keys = self.keys(scan)
        if keys is None or not scan.columns & _LISTED:
            return super().reading(scan, spread)
        return rest.Reading(
            tuple(self.list_of(one, "false") for one in _workspaces(keys)), lists=True
        )

    def list_of(self, workspace: str, expired: str) -> rest.Asked:
        """All active upload sessions of a workspace (``false``), or all expired ones."""
        places = {"workspace": workspace, "is_expired": expired}
        return rest.Asked(self.list_call(places, self._whole), places)

    @property
    def _whole(self) -> rest.Scan:
        """A read of whole lists."""
        return rest.Scan(self.capability.paths[-1])

    def found(self, scan: rest.Scan, reader: rest.Reader) -> rest.FoundPages:
        """With one more request per row if a column needs it."""
        keys = self.keys(scan)
        picks = keys is not None and scan.columns & _LISTED
        pages = self._sessions_by_key(keys or [], reader) if picks else super().found(scan, reader)
        statuses = scan.given("status") if keys is None else None
        with closing(pages):
            for page in pages:
                # SQLite would discard the other rows, but only after a request for each of them.
                may = [o for o in page if statuses is None or o.item.get("status") in statuses]
                yield from self._detailed(may, reader) if scan.columns & _DETAILED else [may]

    def _sessions_by_key(self, keys: Sequence[rest.Places], reader: rest.Reader) -> rest.FoundPages:
        """Reads lists, the active one first, until all wanted sessions are found.

        The rows have the order of the keys, as where a GET finds each.
        """
        missing = {tuple(map(one.__getitem__, self.own)): one for one in keys}
        ranks, found = {key: rank for rank, key in enumerate(missing)}, list[rest.Found]()
        for workspace, expired in product(_workspaces(keys), ("false", "true")):
            asked = self.list_of(workspace, expired)
            reading = rest.Reading((asked,), lists=True)
            with closing(self.chain(asked, reading, self._whole, reader)) as pages:
                while any(key[0] == workspace for key in missing) and (page := next(pages, ())):
                    found += [one for one in page if missing.pop(self.key_of(one), None)]
        # Sessions in no list are requested too, because only the service knows whether they exist.
        asked_one = tuple(map(self.get_of, missing.values()))
        got = self.got(rest.Reading(asked_one, lists=False), reader)
        found += (one for page in got for one in page)
        yield sorted(found, key=lambda one: ranks[self.key_of(one)])

    def _detailed(self, page: Sequence[rest.Found], reader: rest.Reader) -> rest.FoundPages:
        """The rows of a page with what only a GET of each has; those that are read so have it."""
        places = (self.decoder.places(one.item, one.frame) for one in page)
        with closing(reader.gather(self.get_of(one).call for one in places)) as responses:
            for one, response in zip(page, responses, strict=False):
                yield [one._replace(item={**detail_of(response), **one.item})]


def detail_of(response: rest.Response) -> dict[str, object]:
    """The counters of a session; an answer that names none is not a session's."""
    body = response.object()
    if not response.missing:
        _session_id(body, rest.DecodeContext(response.what))
    return body


def _workspaces(keys: Iterable[rest.Places]) -> list[str]:
    return list(dict.fromkeys(one["workspace"] for one in keys))


class UploadSessionFileReader(_OfSessions):
    """Rows of ``upload_session_files``."""

    def each_of(self, places: rest.Places, scan: rest.Scan) -> Iterator[rest.Asked]:
        """One list for each status that is asked for."""
        call, given = self.list_call(places, scan), scan.given("ingestion_status")
        # The service may know a status that this package does not; such a status is compared here.
        if given is None or not set(given) <= _FILE_STATUSES:
            yield rest.Asked(call, places)
            return
        for status in given:
            yield rest.Asked(call.with_query(ingestion_status=str(status)), places)


class FileReader(_WithTotal):
    """Rows of ``files``."""

    def list_call(self, places: rest.Places, scan: rest.Scan) -> rest.RequestSpec:
        """Conditions never narrow more than SQLite will check."""
        own = scan.parameters.get("filter")
        if own is not None and not isinstance(own, str):
            raise rest.InvalidValueError(f"{self.where}.filter must be an OData filter string.")
        terms = scan.where.terms
        text = " and ".join(filter(None, (own, _filter_text(terms))))
        call = super().list_call(places, scan)
        return call.with_query(name=_name_part(terms) or None, filter=text or None)


_GLOB: Final = re.compile(r"\[\^?\]?[^\]]*\]|[*?\[]")
_LIKE: Final = re.compile(r"[%_A-Za-z]")
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_RESERVED: Final = frozenset(
    ("and", "or", "not", "eq", "ne", "gt", "ge", "lt", "le", "in", "null", "true", "false")
)


def _name_part(terms: Iterable[Predicate]) -> str:
    """The longest text that every matching file name contains; '' if there is none.

    ``LIKE`` ignores the case of ASCII letters, but the service may not, so only the other
    characters of a pattern can be used.
    """
    return max((part for term in terms for part in _literal_parts(term)), key=len, default="")


def _literal_parts(term: Predicate) -> Iterator[str]:
    match term:
        case AllOf(terms):
            yield from (part for one in terms for part in _literal_parts(one))
        case Compare(Field("file_name", None), Op.EQ, str() as value):
            yield value
        case Compare(Field("file_name", None), Op.GLOB, str() as pattern):
            yield from _GLOB.split(pattern)
        case Compare(Field("file_name", None), Op.LIKE, str() as pattern):
            yield from _LIKE.split(pattern)


def _filter_text(terms: Iterable[Predicate]) -> str:
    """OData for the conditions on keys of ``meta``, joined by ``and``; '' for none.

    Only equality with a text is sent, which the reference documents as an exact match, and only if
    no other value equals that text in SQL: in SQL, arrays and objects are JSON text. The service
    compares a range only with values of one type, whereas SQLite sorts numbers before texts: it
    would return too few rows. The parameter ``filter`` can send a range unchanged.
    """
    return " and ".join(sorted(dict.fromkeys(text for term in terms for text in _equalities(term))))


def _equalities(term: Predicate) -> Iterator[str]:
    match term:
        case AllOf(terms):
            yield from (text for one in terms for text in _equalities(one))
        case Compare(Field("meta", str() as key), Op.EQ, str() as value) if _fits(key, value):
            quoted = value.replace("'", "''")
            yield f"{key} eq '{quoted}'"


def _fits(key: str, value: str) -> bool:
    known = _KEY.fullmatch(key) is not None and key.lower() not in _RESERVED
    return known and value.isprintable() and not value.startswith(("[", "{"))
