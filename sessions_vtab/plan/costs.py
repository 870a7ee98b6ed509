"""What reads cost: guesses for SQLite's planner, and when a list is cheaper than its keys.

Of the guesses only ratios matter: they decide join orders and whether SQLite reads twice for an OR.

A table that is read by key again and again is read as a whole list instead: rent or buy. A read by
key is *rented*: it costs a request, and the next key costs another. The list that holds the rows of
all keys is *bought* once, and then answers every key. Renting until it has cost as much as the list
and buying then never costs more than twice the better of the two, whatever the data (the ski rental
problem: Karlin et al., *Competitive snoopy caching*, 1988). The unit is one page of a list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Final

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Member,
    Not,
    Nothing,
    Null,
    Op,
    Predicate,
)
from sessions_vtab.plan.index_info import Hint, Relation

VALUES_OF_A_SET = 10
"""How many values an IN is expected to have."""

_EQUAL = 0.02
_SHARES = {Op.EQ: _EQUAL, Relation.IS: _EQUAL, Op.IN: 0.1, Op.LIKE: 0.25, Op.GLOB: 0.25}
_HARDLY = (Op.NE, Op.NOT_IN, Op.NOT_LIKE, Op.IS_NOT_NULL)
_MOST = 0.9
_OTHERS = 0.4


def share_of_operators(operators: Iterable[Op | Relation | Hint]) -> float:
    """The share of rows that conditions with these operators leave together."""
    return prod(_share(op) for op in operators)


def share_of_predicate(predicate: Predicate) -> float:
    """The share of rows that match. A little is taken off an OR, so that it is worth sending."""
    match predicate:
        case Compare(_, op):
            return _share(op)
        case Member(_, operands, negated):
            return _MOST if negated else min(len(operands) * _EQUAL, _MOST)
        case Null(_, negated):
            return _MOST if negated else _OTHERS
        case AllOf(terms):
            return prod(map(share_of_predicate, terms))
        case AnyOf(terms):
            return min(sum(map(share_of_predicate, terms)) * _MOST, 1.0)
        case Not(term):
            return max(1.0 - share_of_predicate(term), _OTHERS)
        case Nothing():
            return 0.0


def cost_of(path: AccessPath, starts: int, rows: float) -> float:
    """What it costs to read: the path's cost for each page, and the rows.

    Args:
        path: the way of reading.
        starts: how many separate reads it takes.
        rows: how many rows come in all.
    """
    pages = ceil(rows / path.page_cap) if path.page_cap else 1
    return path.cost * max(starts, pages) + rows


def _share(op: Op | Relation | Hint) -> float:
    for known, share in _SHARES.items():
        if op is known:
            return share
    return _MOST if op in _HARDLY else _OTHERS


ALONE: Final = 1.0
"""Cost of a request that the statement waits for: as much as a page."""

BESIDE: Final = 0.25
"""Cost of a request for one row that is under way beside others: pages come one after another."""

_GUESS: Final = 3
"""Pages that a list of unknown length is believed to have at first. A higher guess would cost more
where the list is short; a lower one would buy where a handful of keys are wanted."""

_GUESS_OF_A_SET: Final = 16
"""The same where all keys are known at once, and are under way beside each other: nothing suggests
that more will come."""

_SPARE: Final = 2
"""Reads by key beyond the pages of a short list: a few keys do not justify reading a list."""

_HANDFUL: Final = 5


def allowance(pages: int) -> float:
    """What may be spent on renting before a list of so many pages is bought.

    Twice the better way and three requests is the bound. A list of more than three pages is read
    from both ends, which takes up to two requests more than it has pages: those are saved here.
    """
    return min(pages + _SPARE, max(pages - 1, _HANDFUL))


def believed(known: int | None, bought: int) -> int:
    """How many pages a list is believed to have.

    Args:
        known: what an earlier read has counted; None if there was none.
        bought: pages that were read by now, without reaching the end.
    """
    if known is not None and bought <= known:
        return known
    return max(_GUESS, bought + 1)


def worth_of_a_list(known: int | None, bought: int, each: float) -> int:
    """What a set of keys may cost before a page of their list is read: all of them are known.

    A list that nothing is known of has one more page at least. The bound is twice as many requests
    as that, and three, of which some have been made. Of keys that are under way beside each other
    more are worth their time.

    Args:
        known: pages of the list, None if nobody knows.
        bought: pages of it that were read.
        each: what one of the keys costs.
    """
    if known is not None and bought <= known:
        return known
    worth = 2 * (bought + 1) + 3 - bought
    return worth if each >= ALONE else max(_GUESS_OF_A_SET, bought + 1)


def buys(spent: float, coming: float, pages: int) -> bool:
    """Whether the next page of the list is read instead of a key.

    Args:
        spent: what the keys have cost so far.
        coming: what the keys will cost that are certain to be asked for; at least the present one.
        pages: how long the list is believed to be. Where it is not known, this grows with each
            page that is read (``believed``), so that keys and pages alternate, and neither a list
            much shorter nor one much longer than it was thought to be costs more than the bound.
    """
    return spent + coming > allowance(pages)


def surely_rented(reads: Sequence[int], lists: Collection[int | None]) -> bool:
    """Whether reads by key are all made, so that no list is read in their place.

    Args:
        reads: how many keys each of them asks for.
        lists: pages of each list that has their rows, None where nobody knows.
    """
    spent = sum(reads)
    if len(reads) == 1:  # A set, of which the keys are under way beside each other.
        coming = max(spent * BESIDE, ALONE)
        return all(coming <= worth_of_a_list(one, 0, BESIDE) for one in lists)
    return all(spent <= allowance(believed(one, 0)) for one in lists)


@dataclass(slots=True)
class Account:
    """What an occurrence of a table has spent on keys.

    Attributes:
        spent: on reads so far.
        dearest: what the dearest single read has cost: a filter does not make a fan-out cheaper.
    """

    spent: float = 0.0
    dearest: float = 0.0

    def pay(self, cost: float) -> None:
        """Takes note of a read."""
        self.spent += cost
        self.dearest = max(self.dearest, cost)

    def buys(
        self,
        known: int | None,
        bought: int,
        cost: float,
        coming: float = 0.0,
        each: float = ALONE,
    ) -> bool:
        """Whether the next page of a list is read now, before another key.

        Args:
            known: pages of the list, None if nobody knows.
            bought: pages of it that were read.
            cost: least that the present key, or set of keys, costs.
            coming: what further keys cost that are certain to be asked for.
            each: what one key of a set costs.
        """
        if cost > ALONE and not self.spent:
            # A set: there is no doubt about what it costs.
            return cost + coming > worth_of_a_list(known, bought, each)
        pages = believed(known, bought)
        dearest = self.dearest if self.dearest > ALONE else 0.0
        return buys(self.spent, max(cost, dearest) + coming, pages)

    def left(self, known: int | None, bought: int) -> float:
        """What may still be spent on keys before a page is bought."""
        return max(allowance(believed(known, bought)) - self.spent, 0.0)
