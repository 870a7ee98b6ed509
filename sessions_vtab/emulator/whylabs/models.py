"""The request bodies of the WhyLabs sessions API, and what it keeps (contract, section 3)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Body(BaseModel):
    """A request body in camelCase; unknown keys are ignored, as whylogs sends some."""

    model_config = ConfigDict(alias_generator=to_camel)


class CreateSession(_Body):
    """Body of create_session."""

    user_id: str


class LogReference(_Body):
    """One reference profile to upload; everything may be missing or null."""

    alias: str | None = None
    dataset_timestamp: int | None = None
    region: str | None = None


class BatchLogReference(_Body):
    """Reference profiles to upload."""

    references: list[LogReference]


class SegmentTag(_Body):
    """One part of a segment's name."""

    key: Annotated[str, Field(min_length=1)]
    value: Annotated[str, Field(min_length=1)]


class LogAsync(_Body):
    """A dataset profile to upload; the timestamp is in milliseconds."""

    dataset_timestamp: int
    segment_tags: list[SegmentTag]
    region: str | None = None


class GetLinks(_Body):
    """Profiles to look at: milliseconds and ids, which are not checked for existence."""

    batch_profile_timestamps: list[int]
    reference_profile_ids: list[str]


class _Stored(BaseModel):
    # Profiles are raw bytes, and the data file is JSON.
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class Profile(_Stored):
    """An upload of a session: a reference or a dataset profile.

    Attributes:
        alias: Name of a reference; None for a dataset profile.
        timestamp: Dataset time in milliseconds.
        expires_at: When its upload target stops working.
        signature: What the upload target carries as proof.
        content: The bytes, once they were put.
    """

    profile_id: str
    alias: str | None
    timestamp: int
    segment_tags: list[SegmentTag]
    expires_at: datetime
    signature: str
    content: bytes | None = None


class Session(_Stored):
    """A guest session: a fresh org with one model (contract, section 4).

    Attributes:
        user_id: Generated; not that of the request which created it.
        claimed_by_org: The org that copied its data, which ended the session.
    """

    session_id: str
    org_id: str
    user_id: str
    expires_at: datetime
    claimed_by_org: str | None = None
    profiles: dict[str, Profile] = {}


class State(_Stored):
    """Sessions by id, and the number of ids drawn so far."""

    sessions: dict[str, Session] = {}
    draws: int = 0
