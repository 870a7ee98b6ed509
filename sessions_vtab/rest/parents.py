"""Which parents are there, as far as a statement knows: the rows of others are not asked for.

Keys may come from elsewhere, as from a table of the user, and most be of no session. A request for
the rows of each of them finds nothing, and the list of sessions tells of all at once. So a few keys
are asked for at a time, and the list is read, page by page, while it has cost no more than the
requests that found nothing: rent or buy, as in ``plan.costs``. What is under way counts as in vain
until it has found something, so that what is asked ahead cannot cost more than the bound either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Final, TypeAlias

ParentKey: TypeAlias = tuple[str, ...]
"""The values of the placeholders of a parent's name."""

_MANY: Final = 100
"""For more keys at once it is asked first whether their parents are there."""

_KEYS_PER_PAGE: Final = 10
"""As many keys justify another page of all parents: at most a tenth more is requested."""

_SPARE: Final = 2
_IN_VAIN: Final = 4
"""Keys beyond the pages read that may be asked for in vain: the bound is three requests beyond
twice the better way, and a list that has not ended has one more page."""


@dataclass(slots=True)
class Parents:
    """The parents in one scope, as a statement knows them.

    Attributes:
        known: those that the list has shown.
        read: pages of the list that were read.
        ended: the list has no more, or may not be read: then ``refused`` is true.
        found: requests for the rows of a parent that was there.
        missed: those for one that was not.
        asked: keys that were asked for and have found nothing yet.
        coming: the pages of the list after those that were read: the keys of each, and whether it
            is the last one.
    """

    known: set[ParentKey] = field(default_factory=set)
    read: int = 0
    ended: bool = False
    refused: bool = False
    found: int = 0
    missed: int = 0
    asked: dict[ParentKey, None] = field(default_factory=dict)
    coming: Iterator[tuple[Iterable[ParentKey], bool]] = field(default=iter(()))

    @property
    def room(self) -> float:
        """How many keys may be asked for now that may be of no parent."""
        if self.ended:
            return inf
        return max(self.found + self.read + _IN_VAIN - self.missed - len(self.asked), 0)

    def pages_for(self, keys: int) -> int:
        """How many pages of the list are to be read before some keys are asked for."""
        worth = keys // _KEYS_PER_PAGE if keys > _MANY else 0
        if self.missed >= self.read + _IN_VAIN:
            worth = max(worth, self.missed)
        return worth if worth > self.read and not self.ended else 0

    def lacks(self, keys: Collection[ParentKey]) -> set[ParentKey]:
        """Those of some keys that need not be asked for.

        A list may lag behind what was just created: a few keys are asked for although it does not
        show them, as many as the list has pages.
        """
        if not self.ended or self.refused:
            return set()
        unknown = {*keys} - self.known
        if self.missed + len(unknown) > self.read + _SPARE:
            return unknown
        self.missed += len(unknown)
        return set()

    def take(self, key: ParentKey) -> None:
        """Takes note that the rows of one of them are asked for."""
        if key not in self.known and not self.ended:
            self.asked[key] = None

    def note(self, key: ParentKey, *, missing: bool) -> None:
        """Takes note of what a request for the rows of one of them has found."""
        if key in self.asked:  # Those before it were passed over: nobody waits for them.
            for before in list(self.asked):
                del self.asked[before]
                if before == key:
                    break
        if not missing:
            self.found += 1
        elif not self.ended:
            self.missed += 1
