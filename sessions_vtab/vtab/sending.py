"""A unit of work that is being sent: how far it is, what became of it, and the error that tells."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sessions_vtab.contract.backend import Backend, Context
from sessions_vtab.contract.write import Outcome, OutcomeState, Write
from sessions_vtab.errors import SessionsError, UnknownOutcomeError, WriteError

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
