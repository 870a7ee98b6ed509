"""Rows that are sent: how many a statement may write, how far they are, what became of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from sessions_vtab.contract.backend import Backend, Context
from sessions_vtab.contract.write import Action, Outcome, OutcomeState, Write
from sessions_vtab.errors import BudgetError, SessionsError, UnknownOutcomeError, WriteError
from sessions_vtab.vtab.statements import RunningStatement

__all__ = ["DEFAULT_MAX_WRITES", "Excess", "Sending", "counts", "drain", "failure", "limit_of"]

DEFAULT_MAX_WRITES: Final = 1_000
"""Rows a statement may write where nobody has set ``max_writes``."""

_VERBS: Final = {Action.INSERT: "insert", Action.UPDATE: "change", Action.DELETE: "remove"}


def limit_of(connection: int | None, source: int | None, *, stored: bool) -> int | None:
    """The limit in force; None for none.

    Args:
        connection: what the connection's user set.
        source: what the source's settings say.
        stored: rows go into a store on this machine, for which bulk imports are usual.
    """
    for given in (connection, source):
        if given is not None:
            return given
    return None if stored else DEFAULT_MAX_WRITES


@dataclass(frozen=True, slots=True)
class Excess:
    """A statement that wants to write more rows than it may.

    Attributes:
        statement: which.
        source: name of the source.
        table: name of its table.
        action: what would happen to the rows.
        limit: rows it may write.
        per_minute: rows that the service's quota lets it write in a minute; 0 if none is known.
    """

    statement: RunningStatement
    source: str
    table: str
    action: Action
    limit: int
    per_minute: int = 0

    def question(self, *, ended: bool) -> str:
        """The question that asks the user to allow the statement.

        Args:
            ended: the statement has told all of its rows, so their number is known.
        """
        limit = _spaced(self.limit)
        if ended:
            rows = f"{_spaced(self.statement.written)} rows to {self.source} (max_writes {limit})"
        else:
            rows = f"more than {limit} rows to {self.source}.{self.table} (max_writes)"
        return f"This statement would write {rows}.{self._time(ended=ended)} Send them?"

    def _time(self, *, ended: bool) -> str:
        """How long that takes at least, where the service limits it."""
        if not self.per_minute:
            return ""
        least = ceil((self.statement.written if ended else self.limit) / self.per_minute)
        about = "about" if ended else "more than"
        unit = "minute" if least == 1 else "minutes"
        quota = f"At the service's quota of {self.per_minute} per minute"
        return f" {quota}, it takes {about} {least} {unit}."

    def refusal(self) -> BudgetError:
        """The error when nobody allows it."""
        return BudgetError(
            f"The statement would {_VERBS[self.action]} more than {self.limit} rows of"
            f" {self.source}.{self.table} (max_writes). Nothing was written. Narrow the"
            " statement with WHERE, or raise max_writes."
        )


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


_EXCEPTIONS: Final = 2
"""Exceptions after which a backend is asked on: the first stops what is not sent, the second also
ends the waiting for what is in flight."""


@dataclass(slots=True)
class Sending:
    """The writes of one transaction on their way to one source.

    Attributes:
        total: how many there are.
        answered: of how many it is known what became of them.
        started: when the first was sent, on the clock of ``time.perf_counter``.
    """

    total: int
    answered: int = 0
    started: float = field(default_factory=time.perf_counter)

    def estimate(self) -> float | None:
        """Seconds that all of them will take at the pace so far; None before the first answer."""
        if not self.answered:
            return None
        return (time.perf_counter() - self.started) / self.answered * self.total

    def left(self) -> float:
        """Seconds until the end, by the same estimate; 0 before the first answer."""
        elapsed = time.perf_counter() - self.started
        return max((self.estimate() or 0.0) - elapsed, 0.0)


def drain(
    backend: Backend,
    writes: Sequence[Write],
    context: Context,
    settle: Callable[[Outcome], None],
) -> BaseException | None:
    """Sends writes and settles their outcomes as they come.

    An exception, such as a KeyboardInterrupt, ends the sending, not the looking: asked on, the
    iterator of a backend tells what became of the rows that were not sent or were in flight.

    Returns:
        The first exception.
    """
    outcomes, first = _begun(backend, writes, context)
    for _ in range(_EXCEPTIONS + 1):
        try:
            for outcome in outcomes:
                settle(outcome)
        except BaseException as error:  # noqa: BLE001  # The caller raises it.
            first = first or error
        else:
            break
    return first


def _begun(
    backend: Backend, writes: Sequence[Write], context: Context
) -> tuple[Iterator[Outcome], BaseException | None]:
    """The outcomes to come, and what ``Backend.send`` raised if it is not a refusal."""
    try:
        return iter(backend.send(writes, context)), None
    except SessionsError as error:
        return iter([Outcome(one, OutcomeState.NOT_SENT, error=error) for one in writes]), None
    except BaseException as error:  # noqa: BLE001  # The caller raises it.
        return iter(()), error


def counts(failed: Sequence[Outcome], total: int) -> str:
    """What became of the writes of a flush, for whoever interrupted it."""
    states = Counter(outcome.state.value for outcome in failed)
    rest = "".join(f", {count} {state}" for state, count in sorted(states.items()))
    return (
        f"Of {total} writes {total - len(failed)} were sent{rest}. The table writes has one row"
        " for each."
    )


def failure(failed: Sequence[Outcome], total: int) -> SessionsError:
    """The error of a flush: the only row's own error, or one that counts."""
    first = next((one for one in failed if one.error is not None), failed[0])
    lost = first.state is OutcomeState.UNKNOWN and not isinstance(first.error, UnknownOutcomeError)
    if total == 1 and first.error is not None and not lost:
        return first.error
    unknown = sum(one.state is OutcomeState.UNKNOWN for one in failed)
    sent = total - len(failed)
    message = f"{sent} {'was' if sent == 1 else 'were'} sent"
    if unknown:
        message += f", {unknown} {'has' if unknown == 1 else 'have'} an unknown outcome"
    msg = (
        f"{len(failed)} of {total} writes did not succeed ({message})."
        f" The first: {str(first.error).rstrip('.')}. The table writes has one row for each."
    )
    return UnknownOutcomeError(msg) if unknown else WriteError(msg)
