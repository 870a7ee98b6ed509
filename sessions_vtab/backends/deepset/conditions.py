"""Conditions as query parameters, never narrower than what SQLite will check."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from sessions_vtab.backends.deepset.tables import PAGE_CAP
from sessions_vtab.contract.predicate import AllOf, Compare, Field, Op, Predicate, Value
from sessions_vtab.errors import InvalidValueError

__all__ = ["filter_text", "first_size", "name_part"]

_GLOB = re.compile(r"\[\^?\]?[^\]]*\]|[*?\[]")
_LIKE = re.compile(r"[%_A-Za-z]")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_RESERVED = frozenset(
    ("and", "or", "not", "eq", "ne", "gt", "ge", "lt", "le", "in", "null", "true", "false")
)


def name_part(terms: Iterable[Predicate]) -> str:
    """Returns the longest text that every matching file name contains; '' if there is none.

    ``LIKE`` ignores the case of ASCII letters, but the service may not, so only the other
    characters of a pattern can be used.
    """
    parts = [part for term in terms for part in _literal_parts(term)]
    return max(parts, key=len, default="")


def filter_text(terms: Iterable[Predicate]) -> str:
    """Returns OData for the conditions on keys of ``meta``, joined by ``and``; '' for none.

    Only equality with a text is sent, which the reference documents as an exact match, and only if
    no other value equals that text in SQL: in SQL, arrays and objects are JSON text.
    """
    return " and ".join(sorted(dict.fromkeys(text for term in terms for text in _equalities(term))))


def first_size(parameters: Mapping[str, Value], limit: int | None, where: str) -> int:
    """Number of rows of the first page: ``page_size``, or as many as LIMIT will probably need.

    Raises:
        InvalidValueError: ``page_size`` is not a valid number of rows.
    """
    size = parameters.get("page_size")
    if size is None:
        return max(1, min(limit or PAGE_CAP, PAGE_CAP))
    if not isinstance(size, int) or size < 1:
        raise InvalidValueError(f"{where}.page_size must be a number from 1 to {PAGE_CAP}.")
    return min(size, PAGE_CAP)


def _literal_parts(term: Predicate) -> Iterator[str]:
    match term:
        case AllOf(terms):
            for one in terms:
                yield from _literal_parts(one)
        case Compare(Field("file_name", None), Op.EQ, str() as value):
            yield value
        case Compare(Field("file_name", None), Op.GLOB, str() as pattern):
            yield from _GLOB.split(pattern)
        case Compare(Field("file_name", None), Op.LIKE, str() as pattern):
            yield from _LIKE.split(pattern)


def _equalities(term: Predicate) -> Iterator[str]:
    match term:
        case AllOf(terms):
            for one in terms:
                yield from _equalities(one)
        case Compare(Field("meta", str() as key), Op.EQ, str() as value) if _fits(key, value):
            quoted = value.replace("'", "''")
            yield f"{key} eq '{quoted}'"


def _fits(key: str, value: str) -> bool:
    known = _KEY.fullmatch(key) is not None and key.lower() not in _RESERVED
    return known and value.isprintable() and not value.startswith(("[", "{"))
