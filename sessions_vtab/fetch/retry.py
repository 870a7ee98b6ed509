"""When a request is sent again: a pure decision.

The rule: GET, PUT, DELETE and PATCH after connection errors, 408, 429 and 5xx; everything else only
if the server cannot have acted: the connection was never made, or the answer was 429 (quota is
checked before anything is done). Waiting honours Retry-After, else it is exponential with jitter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

from sessions_vtab.fetch.call import RequestSpec

_THROTTLED = 429
_TRANSIENT = frozenset((408, _THROTTLED))
_SERVER_ERROR = 500


class Failure(Enum):
    """How an attempt failed without an answer."""

    NOT_SENT = "not sent"
    """The connection could not be made: the server knows nothing of it."""
    LOST = "lost"
    """It was sent, at least in part; there is no complete answer."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long.

    Attributes:
        attempts: most tries of one call.
        deadline: seconds from the first try after which no further one begins.
        first: seconds before the second try, doubled for each further one.
        longest: most seconds between tries, unless the server asks for more.
    """

    attempts: int = 5
    deadline: float = 60.0
    first: float = 0.5
    longest: float = 16.0


RETRIES = RetryPolicy()


def may_retry(call: RequestSpec, outcome: Failure | int) -> bool:
    """Whether a call may be sent again after an outcome: a failure, or an HTTP status."""
    if outcome in {Failure.NOT_SENT, _THROTTLED}:
        return True
    if outcome is Failure.LOST:
        return call.may_repeat
    transient = isinstance(outcome, int) and (outcome in _TRANSIENT or outcome >= _SERVER_ERROR)
    return transient and call.may_repeat


def backoff(policy: RetryPolicy, attempt: int, asked: float | None, chance: float) -> float:
    """Seconds to wait after the ``attempt``-th try (from 1).

    Args:
        policy: how long.
        attempt: number of the try that failed.
        asked: what Retry-After said, None if nothing.
        chance: in [0, 1): spreads clients that failed together between half and all of the wait.
    """
    if asked is not None:
        return asked
    return float(min(policy.longest, policy.first * 2 ** (attempt - 1)) * (0.5 + chance / 2))


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3); None if it says nothing.

    Args:
        value: the header: seconds, or an HTTP date.
        now: seconds since 1970.
    """
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
        # An HTTP date is in GMT, also where it says "-0000", which stands for no zone elsewhere.
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):  # The latter of a date at either end of the calendar.
        return None
