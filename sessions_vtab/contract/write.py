"""One changed row: what is asked of a backend, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import SessionsError


class Action(StrEnum):
    """What happens to the row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class OutcomeState(StrEnum):
    """What is known about a write; the words of the column ``writes.outcome``."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    NOT_SENT = "not sent"
    SENT_THEN_ROLLED_BACK = "sent although rolled back"


@dataclass(frozen=True, slots=True)
class Write:
    """One row to insert, update or delete.

    Attributes:
        number: place in the order of all writes of the connection.
        statement: number of the statement it came from.
        table: the table's name.
        action: what happens.
        key: the row's name; None for an INSERT whose name the server makes.
        values: INSERT: the columns that are not NULL; UPDATE: the columns that change; canonical
            texts of times, minified JSON.
        ignore: INSERT OR IGNORE: a row that exists already is skipped.
        returning: the outcome has to carry the row (RETURNING). Where the service does not answer
            with it, that costs a request; false saves it.
        row: which of the statement's rows it is, from 1.
    """

    number: int
    statement: int
    table: str
    action: Action
    key: str | None
    values: Mapping[str, Value]
    ignore: bool = False
    returning: bool = True
    row: int = 1


@dataclass(frozen=True, slots=True)
class Request:
    """A request that a write would send, for people.

    Attributes:
        method: HTTP method, or what a store would do.
        url: where, without secrets; a store names the row.
        body: JSON text; None for no body.
    """

    method: str
    url: str
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write.

    Attributes:
        write: the write.
        state: what is known.
        row: the row as the server has it now (INSERT, UPDATE), where it said so.
        key: the row's name as the server has it.
        error: why it failed, or why nothing is known.
        http_status: status of the answer, where there was one.
        elapsed_ms: milliseconds from sending to the answer.
        response: the answer's body as JSON, where it is more than the row.
    """

    write: Write
    state: OutcomeState
    row: Row | None = None
    key: str | None = None
    error: SessionsError | None = None
    http_status: int | None = None
    elapsed_ms: float | None = None
    response: str | None = None
