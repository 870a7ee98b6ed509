"""The payload filter, which comes back changed (contract, section 6).

A query is read as the first form that fits, and what that form does not know is lost.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, Field

Scalar: TypeAlias = str | int | float | bool


class _Target(BaseModel):
    # First, as it is the first key of what comes back.
    force_not_payload: bool = False
    field: str


class _Text(_Target):
    value: str


class _Value(_Target):
    value: Scalar


class _Values(_Target):
    values: list[Scalar]


class Match(BaseModel):
    """`{"match": {field, value}}`."""

    match: _Text


class Term(BaseModel):
    """`{"term": {field, value}}`."""

    term: _Value


class Terms(BaseModel):
    """`{"terms": {field, values}}`."""

    terms: _Values


class MatchPhrase(BaseModel):
    """`{"match_phrase": {field, value}}`."""

    match_phrase: _Text


class All(BaseModel):
    """`{"all": {field, values}}`."""

    all: _Values


class AnyOf(BaseModel):
    """`{"any": {field, values}}`."""

    any: _Values


class Exists(_Target):
    """`{field}`; it comes before the range, whose bounds it swallows."""


class Wildcard(BaseModel):
    """`{"wildcard": {field, value}}`."""

    wildcard: _Text


class Bounds(BaseModel):
    """The bounds of a range; absent ones come back as null."""

    gte: float | None = None
    lte: float | None = None
    gt: float | None = None
    lt: float | None = None
    eq: float | None = None


class Range(_Target):
    """`{field, range}`; reached only inside a boolean."""

    range: Bounds


class Boolean(BaseModel):
    """Boolean parts; last, as it fits every object and drops whatever it does not know."""

    must: list[Part] | None = None
    should: list[Part] | None = None
    filter: list[Part] | None = None
    must_not: list[Part] | None = None


Part: TypeAlias = Annotated[
    Match | Term | Terms | MatchPhrase | All | AnyOf | Wildcard | Range | Boolean,
    Field(union_mode="left_to_right"),
]
"""A part of a boolean: no bare `{field}`, which therefore becomes an empty boolean."""


class PayloadFilter(BaseModel):
    """What `payload_filter` holds; dumping it gives what the service returns."""

    query: Annotated[
        Match | Term | Terms | MatchPhrase | All | AnyOf | Exists | Wildcard | Range | Boolean,
        Field(union_mode="left_to_right"),
    ]


Boolean.model_rebuild()
