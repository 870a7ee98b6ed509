"""What arrived at a service, compared with what the scans of a case asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sessions_vtab.contract.capability import EQUALITY
from sessions_vtab.contract.predicate import (
    AllOf,
    Compare,
    Field,
    Member,
    Op,
    Predicate,
    Value,
    known,
)
from sessions_vtab.contract.scan import Scan
from sessions_vtab.testing.generated import RunCase

__all__ = ["Shown", "Traffic"]

Shown: TypeAlias = Callable[[Scan, Field, Op, Value], str | None]
"""How a value that a scan asks for looks in a request; None if this scan need not show it."""

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d ")
_TELLING: Final = 5
"""Least letters of a text that is not found in a request by chance."""


class Traffic:
    """A ``Look`` into a service's log: what was sent is in a request, the rest in none.

    Args:
        requests: the requests since the last call, as the emulator's log has them: ``path`` and
            ``query`` decoded, ``body`` as JSON or text.
        shown: by column (``column->>`` for keys of a JSON column); others show as they are.
    """

    def __init__(
        self, requests: Callable[[], Sequence[Mapping[str, Any]]], shown: Mapping[str, Shown]
    ) -> None:
        self._requests = requests
        self._shown = shown
        self._late: frozenset[str] = frozenset()

    def __call__(self, asked: RunCase) -> str | None:
        """What is wrong; None if nothing is."""
        arrived = "\n".join(map(_text, self._requests()))
        # What was under way when the statement before was given up may arrive now.
        late, self._late = self._late, frozenset(asked.texts)
        if asked.refused:
            return None
        if not arrived:
            return "rows came without a request" if asked.rows else None
        for text in (one for one in asked.foreign if one not in late):
            if len(text) >= _TELLING and any(one in arrived for one in _spellings(text)):
                return f"{text!r:.80} was not sent, and is in a request:\n{arrived:.900}"
        for field, text in self._values_to_arrive(asked.scans):
            if not any(one in arrived for one in _spellings(text)):
                return f"{field} {text!r:.80} was sent, and is in no request:\n{arrived:.900}"
        return None

    def _values_to_arrive(self, scans: Sequence[Scan]) -> Iterator[tuple[Field, str]]:
        for scan in scans:
            # With LIMIT the reading may have stopped before.
            leaves = _leaves(scan.where) if scan.limit is None else ()
            for field, op, value in leaves:
                if not _counts(scan, field, op, value):
                    continue
                show = self._shown.get(field.column + ("" if field.key is None else "->>"))
                text = str(value) if show is None else show(scan, field, op, value)
                if text:
                    yield field, text


def _counts(scan: Scan, field: Field, op: Op, value: Value) -> bool:
    """Of several equalities of one column a request can have one: see ``Scan.given``."""
    given = scan.given(field.column) if field.key is None else None
    return given is None or op not in EQUALITY or value in given


def _leaves(predicate: Predicate) -> Iterator[tuple[Field, Op, Value]]:
    """What has to hold; of alternatives a request need not have any."""
    match predicate:
        case AllOf(terms):
            for term in terms:
                yield from _leaves(term)
        case Compare(field, op, operand):
            yield from ((field, op, value) for value in known(operand))
        case Member(field, operands, negated):
            op = Op.NOT_IN if negated else Op.IN
            yield from ((field, op, value) for value in known(*operands))


def _spellings(text: str) -> tuple[str, ...]:
    """As it is; a time also as JSON has it, without zeros that may be left out."""
    if not _TIME.match(text):
        return (text,)
    return text, text.replace(" ", "T").rstrip("0").rstrip(".")


def _text(request: Mapping[str, Any]) -> str:
    body = json.dumps(request["body"], ensure_ascii=False) if request["body"] else ""
    query = " ".join(f"{name}={value}" for name, value in request["query"].items())
    return f"{request['method']} {request['path']} {query} {body}"
