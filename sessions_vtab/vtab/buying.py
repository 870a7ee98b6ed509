"""Decides for a cursor whether its reads go on by key or are answered from a list.

The rule is ``plan.rent``. What was bought is kept as long as the cursor, which is one occurrence of
a table in one run of a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from math import inf, prod
from typing import TYPE_CHECKING, Final

from sessions_vtab.plan.lists import Holder, holders, may_be_held, size_key
from sessions_vtab.plan.rent import ALONE, BESIDE, Account
from sessions_vtab.spec.predicate import Predicate
from sessions_vtab.spec.scan import Page, Scan
from sessions_vtab.vtab.memo import Recording
from sessions_vtab.vtab.purchase import Purchase

if TYPE_CHECKING:
    from sessions_vtab.vtab.table import SourceTable

__all__ = ["Buyer", "Offered"]


@dataclass(slots=True)
class _Asked:
    """What a plan has asked so far.

    Attributes:
        may: its reads may have a list.
        lasting: conditions that were the same in every read.
        account: what was spent.
        rented: the last read by key, the cost of one of its pages, and the most rows of one.
        asked: there was one.
    """

    may: bool
    lasting: frozenset[Predicate] = frozenset()
    account: Account = field(default_factory=Account)
    rented: tuple[Recording, float, int | None] | None = None
    asked: bool = False

    def narrow(self, scan: Scan) -> None:
        """Takes note of a read's conditions."""
        terms = scan.where.terms
        self.lasting = self.lasting.intersection(terms) if self.asked else frozenset(terms)
        self.asked = True

    def settle(self) -> None:
        """Pays for the last read, now that it is known how far it was read."""
        if self.rented is not None:
            recording, each, page_cap = self.rented
            self.account.pay(each * recording.requests(page_cap))
            self.rented = None


@dataclass(slots=True)
class Offered:
    """How a read is answered.

    Attributes:
        pages: its rows, from a list that was bought; None: they are to be read by key.
        most: how many further keys may be asked for ahead.
    """

    pages: Iterator[Page] | None = None
    most: float = inf
    _asked: _Asked | None = None
    _each: float = ALONE
    _page_cap: int | None = None

    def rents(self, recording: Recording) -> None:
        """Takes note that it is read by key."""
        if self._asked is not None:
            self._asked.rented = (recording, self._each, self._page_cap)


_ANYHOW: Final = Offered()


class Buyer:
    """Lists that were bought for a cursor, and what its reads by key have cost.

    Args:
        table: the cursor's table.
    """

    __slots__ = ("_asked", "_bought", "_table")

    def __init__(self, table: SourceTable) -> None:
        self._table = table
        self._asked: dict[str, _Asked] = {}
        self._bought: dict[Hashable, Purchase] = {}

    def offer(
        self, scan: Scan, words: str, *, beside: bool, foreseen: Callable[[], int]
    ) -> Offered:
        """Buys a list if that pays now.

        Args:
            scan: the read.
            words: the plan it comes from.
            beside: it was started ahead, while others were under way.
            foreseen: how many further keys are certain to be asked for.
        """
        asked = self._asked.get(words)
        if asked is None:
            asked = self._asked[words] = _Asked(may_be_held(scan))
        if not asked.may or scan.offset:
            return _ANYHOW
        asked.settle()
        asked.narrow(scan)
        each, further = _costs(scan, beside=beside)
        cost = each * _keys(scan)
        coming: float | None = None
        most = inf
        for holder in holders(scan, asked.lasting, self._table.resource.capability.paths):
            bought = self._bought.get(_key(holder))
            if bought is None or not (bought.ended or holder.through):
                if coming is None:
                    coming = foreseen() * further
                bought = self._buy(holder, asked.account, cost, coming)
            if bought is not None and (bought.ended or holder.through):
                return Offered(bought.find(_rest(scan, holder.scan)))
            most = min(most, self._affords(holder, asked.account, cost, bought))
        cap = None if scan.path.unique else scan.path.page_cap
        return Offered(None, most / further, asked, each, cap)

    def close(self) -> None:
        """Gives up what is still being read."""
        for bought in self._bought.values():
            bought.close()
        self._bought.clear()

    def _buy(self, holder: Holder, account: Account, cost: float, coming: float) -> Purchase | None:
        """Reads as much of a list as it pays; None: it does not."""
        key, known = _key(holder), self._table.pages_of(holder.scan)
        bought = self._bought.get(key)
        while holder.through or account.buys(known, _pages(bought), cost, coming):
            if bought is None:
                recording, path = self._table.recorded(holder.scan), holder.scan.path
                bought = self._bought[key] = Purchase(recording, path, self._table.resource.table)
            if holder.through or not bought.advance():
                break
        return bought

    def _affords(
        self, holder: Holder, account: Account, cost: float, bought: Purchase | None
    ) -> float:
        return account.left(self._table.pages_of(holder.scan), _pages(bought)) - cost


def _key(holder: Holder) -> Hashable:
    scan = holder.scan
    return size_key(scan), scan.order, scan.columns


def _pages(bought: Purchase | None) -> int:
    return 0 if bought is None else bought.pages


def _costs(scan: Scan, *, beside: bool) -> tuple[float, float]:
    """What the requests of a read cost, and those of a further one that is started ahead."""
    if not scan.path.unique:
        return ALONE, ALONE
    return (BESIDE if beside or _keys(scan) > 1 else ALONE), BESIDE


def _keys(scan: Scan) -> int:
    """How many requests a read makes at least: one for each row that it finds by its key."""
    if not scan.path.unique:
        return 1
    return prod(len(scan.given(key) or ()) for key in scan.path.keys)


def _rest(scan: Scan, held: Scan) -> list[Predicate]:
    """The conditions that a list is not confined to."""
    return [term for term in scan.where.terms if term not in held.where.terms]
