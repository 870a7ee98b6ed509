"""What a caller of ``snapshot`` gives and gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

DEFAULT_BUDGET: Final = 100_000
"""Requests that a snapshot may make unless it is told otherwise."""

DEFAULT_OVERLAP: Final = 5.0
"""Minutes that a session has to be older than its copy for the copy to be trusted."""


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """What is to be copied, and how.

    Attributes:
        tables: their names; None for all.
        where: condition on the sessions, as SQL; None for all of them.
        without: columns that are left out, and not fetched.
        full: read everything again.
        max_requests: most HTTP requests.
        overlap: minutes, see ``DEFAULT_OVERLAP``.
    """

    tables: tuple[str, ...] | None = None
    where: str | None = None
    without: tuple[str, ...] = ()
    full: bool = False
    max_requests: int = DEFAULT_BUDGET
    overlap: float = DEFAULT_OVERLAP


@dataclass(frozen=True, slots=True)
class Estimate:
    """What comes next, before it is begun.

    Attributes:
        listing: the lists come next; false if they are done, and rows of sessions come next.
        sessions: sessions of the last snapshot for the lists; else those whose rows are to be read.
        requests: how many it will take at least; None if nothing is known of that.
        spent: requests made so far.
        limit: most that may be made in all.
        per_minute: requests per minute that are allowed; None if that is not known.
        documented: ``per_minute`` is the service's quota, not a setting of the source.
    """

    listing: bool
    sessions: int
    requests: int | None
    spent: int
    limit: int
    per_minute: int | None = None
    documented: bool = True


@dataclass(frozen=True, slots=True)
class SnapshotProgress:
    """How far a snapshot is.

    Attributes:
        table: what is being read.
        done: rows of a list, or sessions whose rows were read.
        total: how many there are in all; None if that is not known yet.
        rows: rows of the table read so far.
        requests: requests made so far.
    """

    table: str
    done: int
    total: int | None
    rows: int
    requests: int


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What a snapshot did.

    Attributes:
        path: the file.
        rows: rows it has now, by table.
        changed: rows that are new or other than in the last snapshot, by table.
        deleted: rows that are gone since then, by table.
        requests: HTTP requests made, without those of an earlier run that was cut off.
        seconds: time it took.
        incremental: it started from the last snapshot.
        resumed: it continued a run that was cut off.
    """

    path: Path
    rows: Mapping[str, int]
    changed: Mapping[str, int]
    deleted: Mapping[str, int]
    requests: int
    seconds: float
    incremental: bool = False
    resumed: bool = False


ProgressCallback: TypeAlias = Callable[[SnapshotProgress], None]
Confirm: TypeAlias = Callable[[Estimate], bool]
"""Whether to go on."""
