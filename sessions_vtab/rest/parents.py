"""Which parents are there, as far as a statement knows: the rows of others are not asked for.

Keys may come from elsewhere, as from a table of the user, and most be of no session. A request for
the rows of each of them finds nothing, and the list of sessions tells of all at once. So that list
is read, page by page, while it has cost no more than the requests that found nothing: rent or buy,
as in ``plan.costs``.
"""

from __future__ import annotations

from collections.abc import Collection, Sized
from dataclasses import dataclass, field
from typing import Final, TypeAlias

ParentKey: TypeAlias = tuple[str, ...]
"""The values of the placeholders of a parent's name."""

_MANY: Final = 100
"""For more keys at once it is asked first whether their parents are there."""

_KEYS_PER_PAGE: Final = 10
"""As many keys justify another page of all parents: at most a tenth more is requested."""

_SPARE: Final = 2


@dataclass(slots=True)
class Parents:
    """The parents in one scope, as a statement knows them.

    Attributes:
        known: those that the list has shown.
        read: pages of the list that were read.
        ended: the list has no more, or may not be read: then ``refused`` is true.
        found: requests for the rows of a parent that was there.
        missed: those for one that was not.
    """

    known: set[ParentKey] = field(default_factory=set)
    read: int = 0
    ended: bool = False
    refused: bool = False
    found: int = 0
    missed: int = 0

    @property
    def doubtful(self) -> bool:
        """Whether most keys seem to be of no parent, so that few should be asked for at once."""
        return self.missed > self.found and not self.ended

    def pages_for(self, keys: int) -> int:
        """How many pages of the list are worth reading now, for some keys; 0 for no more."""
        worth = keys // _KEYS_PER_PAGE if keys > _MANY else 0
        # It is read from its beginning, though each page is requested only once: in few attempts.
        if self.missed >= self.read + (self.read + 1) // 2:
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

    def note(self, *, missing: bool) -> None:
        """Takes note of what a request for the rows of one of them has found."""
        if not missing:
            self.found += 1
        elif not self.ended:
            self.missed += 1


def may_be_gone(asked: Sized, known: Sized) -> bool:
    """Whether it is worth finding out which parents are there: some are not, or there are many."""
    return bool(known) or len(asked) > _MANY
