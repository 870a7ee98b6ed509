"""Whether the reads of a cursor go on by key, or are answered from a whole list that is read once.

``plan.costs`` has the rule, ``index`` the lists. What was read is kept as long as the cursor, which
is one occurrence of a table in one run of a statement.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from sessions_vtab.contract.predicate import Predicate, Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.plan.costs import ALONE, BESIDE, Account
from sessions_vtab.plan.lists import (
    Holder,
    holders,
    keys_asked,
    may_be_held,
    read_key,
    size_key,
)
from sessions_vtab.vtab.index import IndexedList
from sessions_vtab.vtab.memo import Recording
from sessions_vtab.vtab.read_lists import ReadLists

if TYPE_CHECKING:
    from sessions_vtab.vtab.remote_cursor import RemoteCursor
    from sessions_vtab.vtab.table import SourceTable


_MOST_ACCOUNTS: Final = 1_000
_MOST_RESTS: Final = 16
_MOST_LISTS: Final = 8
"""Lists that are kept at a time: those of one session after the other are not wanted again."""


class _Rental(NamedTuple):
    """The last read by key, until it is known what it has cost.

    Attributes:
        recording: its pages.
        each: what one of them costs.
        page_cap: most rows of one.
        accounts: finds those of the lists that would have saved it.
    """

    recording: Recording
    each: float
    page_cap: int | None
    accounts: Callable[[], Sequence[Account]]


@dataclass(slots=True)
class _PlanReads:
    """What a plan has asked so far.

    Attributes:
        may: its reads may have a list.
        times: how often.
        lasting: conditions that were the same in every read.
        accounts: what was spent on the reads that a list would have saved, by the list.
        total: what was spent on all of them, and on lists.
        rental: the last read by key.
    """

    may: bool
    times: int = 0
    lasting: frozenset[Predicate] = frozenset()
    accounts: dict[Hashable, Account] = field(default_factory=dict)
    total: Account = field(default_factory=Account)
    rental: _Rental | None = None

    def narrow(self, scan: Scan) -> None:
        """Takes note of a read's conditions."""
        terms = scan.where.terms
        self.lasting = self.lasting.intersection(terms) if self.times else frozenset(terms)
        self.times += 1

    def settle(self) -> None:
        """Pays for the last read, now that it is known how far it was read."""
        if self.rental is not None:
            recording, each, page_cap, accounts = self.rental
            for account in accounts():
                account.pay(each * recording.requests(page_cap))
            self.rental = None

    def account(self, holder: Holder) -> Account:
        """The account of a list; the oldest goes when there are too many.

        Which conditions last shows with the reads, so a larger list may be thought of late. One
        that is confined by nothing else would have saved everything that was spent before.
        """
        key = _key(holder)
        account = self.accounts.pop(key, None)
        if account is None:
            holds_all = self.lasting.issuperset(holder.scan.where.terms)
            account = replace(self.total) if holds_all else Account()
        self.accounts[key] = account
        if len(self.accounts) > _MOST_ACCOUNTS:
            del self.accounts[next(iter(self.accounts))]
        return account


@dataclass(slots=True)
class BoughtRead:
    """How a read is answered.

    Attributes:
        pages: its rows, from a list that was bought; None: they are to be read by key.
        most: how many further keys may be asked for ahead.
    """

    pages: Iterator[Page] | None = None
    most: float = inf
    _asked: _PlanReads | None = None
    _costs: tuple[float, int | None, Callable[[], Sequence[Account]]] = (ALONE, None, tuple)

    def rents(self, recording: Recording) -> None:
        """Takes note that it is read by key."""
        if self._asked is not None:
            self._asked.rental = _Rental(recording, *self._costs)


_ANYHOW: Final = BoughtRead()


class Buyer:
    """Lists that were bought for a cursor, and what its reads by key have cost.

    Args:
        cursor: whose reads they answer.
        table: its table.
    """

    __slots__ = ("_asked", "_bought", "_cursor", "_read_lists", "_rest", "_table")

    def __init__(self, cursor: RemoteCursor, table: SourceTable) -> None:
        self._cursor = cursor
        self._table = table
        self._asked: dict[str, _PlanReads] = {}
        self._read_lists = ReadLists(cursor, table)
        self._bought: OrderedDict[Hashable, IndexedList] = OrderedDict()
        self._rest: OrderedDict[Hashable, Recording] = OrderedDict()

    def offer(
        self, scan: Scan, plan_text: str, *, beside: bool, foreseen: Callable[[], int]
    ) -> BoughtRead:
        """Buys a list if that pays now.

        Args:
            scan: the read; not one for all of a list.
            plan_text: the plan it comes from.
            beside: it was started ahead, while others were under way.
            foreseen: how many further keys are certain to be asked for.
        """
        asked = self._asked.get(plan_text) or self._begun(plan_text, scan)
        if not asked.may or scan.offset:
            return _ANYHOW
        rows, rest = self._read_lists.rows(scan)
        if rows and rest is not None:
            return self._with_others(rows, rest, plan_text, beside=beside)
        asked.settle()
        asked.narrow(scan)
        if rest is None:
            return BoughtRead(iter([rows]))
        nothing_read = not (self._bought or self._cursor.lists_read())
        if asked.times == 1 and nothing_read and _is_one(scan) and not foreseen():
            return self._only_rented(scan, asked, beside=beside)
        each, further = _costs(scan, beside=beside)
        lists = self._holders(scan, asked)
        if lists and lists[0].through and self._known(lists[0]) is None:
            # It costs what the read costs anyway: a larger one may be bought instead.
            lists.append(lists.pop(0))
        accounts = (*map(asked.account, lists), asked.total)
        most = inf
        for place, holder in enumerate(lists):
            bought = self._known(holder)
            if bought is None:
                coming = 0 if _is_of_the_key(holder, scan) else foreseen()
                prices = (each * keys_asked(scan), coming * further, each)
                larger = accounts if holder.through else accounts[place:]
                bought = self._buy(holder, larger, prices)
            if bought is not None and (bought.ended or holder.through):
                return BoughtRead(bought.find(_rest(scan, holder.scan), _one_by_one(scan, holder)))
            row = bought.row_of(scan) if bought is not None and _is_one(scan) else None
            if row is not None:
                return BoughtRead(iter([[row]]))
            left = accounts[place].left(self._table.sizes.of(holder.scan), _pages(bought))
            most = min(most, (left - each) / further)
        return BoughtRead(None, most, asked, (each, _page_cap(scan), lambda: accounts))

    def rented(self, scan: Scan, plan_text: str, recording: Recording) -> None:
        """Takes note of a first read that was made before there was anything to decide."""
        asked = self._begun(plan_text, scan)
        if asked.may and not scan.offset:
            asked.narrow(scan)
            self._only_rented(scan, asked, beside=False).rents(recording)

    def _begun(self, plan_text: str, scan: Scan) -> _PlanReads:
        """A plan of which nothing was asked before."""
        asked = self._asked[plan_text] = _PlanReads(may_be_held(scan))
        return asked

    def _with_others(
        self, rows: list[Row], rest: Scan, plan_text: str, *, beside: bool
    ) -> BoughtRead:
        """Rows that are known, and those of keys that no list has shown.

        Such a key is a literal beside a join's: no further ones are certain to be asked for, and it
        is asked for again beside the next key.
        """
        key = rest.where, rest.order, rest.columns
        known = self._rest.get(key)
        if known is None:
            others = self.offer(rest, plan_text, beside=beside, foreseen=lambda: 0)
            if others.pages is not None:
                return BoughtRead(chain([rows], others.pages))
            if len(self._rest) >= _MOST_RESTS:
                self._rest.popitem(last=False)[1].close()
            known = self._rest[key] = self._cursor.recorded(rest)
            others.rents(known)
        return BoughtRead(chain([rows], known))

    def _only_rented(self, scan: Scan, asked: _PlanReads, *, beside: bool) -> BoughtRead:
        """A first read buys nothing. Its lists are looked for when there is a second one."""
        each, _ = _costs(scan, beside=beside)
        late = partial(self._accounts, scan, asked)
        return BoughtRead(None, inf, asked, (each, _page_cap(scan), late))

    def close(self) -> None:
        """Gives up what is still being read."""
        for bought in self._bought.values():
            bought.close()
        for known in self._rest.values():
            known.close()
        self._bought.clear()
        self._rest.clear()
        self._read_lists.close()
        for asked in self._asked.values():
            asked.rental = None  # It knows ``asked``, so only the cyclic collection would free it.

    def _holders(self, scan: Scan, asked: _PlanReads) -> list[Holder]:
        capability = self._table.resource.capability
        found = holders(scan, asked.lasting, capability)
        if asked.times > 1:
            return list(found)
        # A single read does not need the whole list as rows, although it reads through it.
        own = [one for one in found if not one.through]
        read = self._cursor.lists_read()
        if not read:
            return own
        # Every condition of a first read lasts so far. Larger lists come into question that the
        # statement has read.
        others = [one for one in holders(scan, (), capability) if read_key(one.scan) in read]
        return own + [one for one in others if one not in own and not one.through]

    def _accounts(self, scan: Scan, asked: _PlanReads) -> Sequence[Account]:
        return [*map(asked.account, self._holders(scan, asked)), asked.total]

    def _known(self, holder: Holder) -> IndexedList | None:
        """The list, if it can answer as it is."""
        bought = self._bought.get(_key(holder))
        if bought is None or not (bought.ended or holder.through):
            return None
        self._bought.move_to_end(_key(holder))
        return bought

    def _buy(
        self, holder: Holder, accounts: Sequence[Account], prices: tuple[float, float, float]
    ) -> IndexedList | None:
        """Reads as much of a list as it pays; None: it does not.

        Args:
            holder: the list.
            accounts: its own, those of the larger lists, which would have saved this one, and that
                of everything.
            prices: of the read by key, of those that are certain to come, and of each key.
        """
        known = self._table.sizes.of(holder.scan)
        bought = self._bought.get(_key(holder))
        account, *larger = accounts
        whole = holder.scan.is_whole
        already = self._cursor.lists_read().get(read_key(holder.scan), 0)
        while True:
            # What the statement has read already costs no request, nor does the end of a list.
            read = _responses(bought) < already
            ends = whole and bought is not None and bought.runs_out
            pays = read or ends or account.buys(known, _pages(bought), *prices)
            if not (pays or holder.through):
                return bought
            bought = bought or self._open(holder)
            if holder.through:
                for other in accounts:
                    other.pay(ALONE)
            if holder.through or not bought.advance():
                return bought
            for other in () if read else larger:
                other.pay(ALONE)

    def _open(self, holder: Holder) -> IndexedList:
        recording = self._cursor.recorded(holder.scan)
        bought = IndexedList(recording, holder.scan.path, self._table.resource.table)
        self._bought[_key(holder)] = bought
        if len(self._bought) > _MOST_LISTS:
            self._bought.popitem(last=False)[1].close()
        return bought


def _is_of_the_key(holder: Holder, scan: Scan) -> bool:
    """Whether a list holds the rows of this key only: so further keys do not justify buying it."""
    if holder.through or not scan.path.keys:
        return True
    return holder.scan.given(scan.path.keys[0]) is not None


def _key(holder: Holder) -> Hashable:
    scan = holder.scan
    return size_key(scan), scan.order, scan.columns


def _pages(bought: IndexedList | None) -> int:
    return 0 if bought is None else bought.pages


def _responses(bought: IndexedList | None) -> int:
    return 0 if bought is None else bought.responses


def _page_cap(scan: Scan) -> int | None:
    return None if scan.path.unique else scan.path.page_cap


def _costs(scan: Scan, *, beside: bool) -> tuple[float, float]:
    """What the requests of a read cost, and those of a further one that is started ahead."""
    if not scan.path.unique:
        return ALONE, ALONE
    return (BESIDE if beside or keys_asked(scan) > 1 else ALONE), BESIDE


def _is_one(scan: Scan) -> bool:
    """Whether a read is for a single row, by its key."""
    return scan.path.unique and keys_asked(scan) == 1


def _rest(scan: Scan, held: Scan) -> list[Predicate]:
    """The conditions that a list is not confined to."""
    return [term for term in scan.where.terms if term not in held.where.terms]


def _one_by_one(scan: Scan, holder: Holder) -> dict[str, tuple[Value, ...]]:
    """The sets of keys that the read would ask for one after the other, and the list does not.

    A read that goes through the list anyway has its rows in the list's order, and a sorted read has
    them in the order that it asks for. The key that varies fastest is a path's first.
    """
    if holder.through or scan.order:
        return {}
    keys = [key for key in reversed(scan.path.keys) if holder.scan.given(key) is None]
    sets = {key: scan.given(key) or () for key in keys}
    return {key: values for key, values in sets.items() if len(values) > 1}
