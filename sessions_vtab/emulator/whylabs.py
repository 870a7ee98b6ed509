"""WhyLabs: guest sessions and their profile uploads.

Written from the WhyLabs contract: what is kept (section 3), links into the observatory (section
4), and keys and error bodies of Songbird, the service behind the API (section 5). A session cannot
be enumerated: its id is the bearer token that opens it. Where the contract leaves a choice:

* sessions live for `SESSION_LIFETIME` by the clock of the settings (the real length is not public)
* the joint link of a batch of references shows the first three, as every joint link does
* a reference may have any `datasetTimestamp`; a dataset upload may not be older than five years
* a key that names its org (`...:org-1`) may claim for that org alone
* a route that Songbird does not have answers 404 with an empty body, or 401 without a key
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import Cookie, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sessions_vtab.emulator.service import (
    BytesModel,
    DrawnState,
    EmulatorSettings,
    Refusal,
    Route,
    Stateful,
    detail,
)


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


class Profile(BytesModel):
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


class Session(BytesModel):
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
    profiles: dict[str, Profile] = Field(default_factory=dict)


class WhylabsState(BytesModel, DrawnState):
    """Sessions by id."""

    sessions: dict[str, Session] = Field(default_factory=dict)


KEY_FORMAT = re.compile(r"[0-9A-Za-z]{10}\.[^\s:]{53}(?::(?P<org>org-\w+))?")
"""`<10 alphanumerics>.<53 characters>`, from version 2 with the org (contract, section 2)."""


def error(status: int, kind: str, message: str, parameter: str | None = None) -> Refusal:
    """Make an error answer; `kind` is the exception's class without "Exception"."""
    body = {"message": message, "requestId": str(uuid4()), "type": kind, "parameter": parameter}
    # Songbird leaves out what is null.
    return Refusal.json(status, {key: value for key, value in body.items() if value is not None})


async def require_key(
    x_api_key: Annotated[str | None, Header()] = None,
    cookie: Annotated[str | None, Cookie(alias="X-API-Key")] = None,
) -> str | None:
    """Return the org that the request's key names, None if the key is older than that.

    Any key of the documented format is known. 401 without a key, 403 with any other; a cookie of
    the header's name does as well.
    """
    key = x_api_key or cookie
    if not key:
        raise error(401, "Unauthorized", "No API key was sent.")
    match = KEY_FORMAT.fullmatch(key)
    if match is None:
        raise error(403, "Forbidden", "The API key is not valid.")
    return match["org"]


class SongbirdRoute(Route):
    """A route whose requests that break the schema get Songbird's 400."""

    def invalid(self, error_: RequestValidationError) -> Response:
        """Answer with the first thing that is wrong."""
        first = detail(error_)[0]
        parameter = ".".join(str(part) for part in first["loc"][1:]) or None
        return error(400, "ArgumentValue", first["msg"], parameter).response


HUB = "https://hub.whylabsapp.com"
"""The documented default; a link is only text to the emulator."""

MODEL_ID = "model-1"
"""The one model of a guest session."""

MAX_JOINT = 3
"""Profiles that one link shows; further ones are left out without an error."""

DAY_MS = 86_400_000


def link(session_id: str, *profiles: str) -> str:
    """Return the link that shows a profile, or the first three together; the id is its token."""
    query = [("profile", profile) for profile in profiles[:MAX_JOINT]]
    query.append(("sessionToken", session_id))
    return f"{HUB}/resources/{MODEL_ID}/profiles?{urlencode(query)}"


def day_of(timestamp: int) -> str:
    """Return the start of a time's UTC day, both in ms: how a link names a dataset profile."""
    return str(timestamp - timestamp % DAY_MS)


SESSION_LIFETIME = timedelta(days=7)
"""Our choice: the real length is not public (contract, section 4)."""

UPLOAD_LIFETIME = timedelta(minutes=15)
"""How long a presigned upload target works (contract, section 4)."""

OLDEST_DATASET = timedelta(days=5 * 365)
"""Age from which the org-scoped sibling refuses a dataset's time (contract, section 4)."""

REGIONS = ("us-west-2", "ap-southeast-2")
ALL_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TARGET = "/whylabs-uploads"

KeyOrg = Annotated[str | None, Depends(require_key)]


class WhyLabs(Stateful[WhylabsState]):
    """One emulated WhyLabs. Data whose ids nobody has would be useless: a seed sets ids alone.

    Its paths are `/v0/...` and, for the presigned uploads, `/whylabs-uploads/...`.
    """

    name = "whylabs"
    model = WhylabsState
    route_class = SongbirdRoute

    def __init__(self, settings: EmulatorSettings) -> None:
        super().__init__(settings)
        one = "/v0/sessions/{session_id}"
        self.add_routes(
            ("POST", "/v0/sessions", self.create),
            ("GET", one, self.get),
            ("POST", one + "/claim", self.claim),
            ("POST", one + "/reference", self.reference),
            ("POST", one + "/references", self.references),
            ("POST", one + "/upload", self.dataset),
            ("POST", "/v0/sessions/observatory-link/{session_id}", self.links),
            ("PUT", TARGET + "/{org_id}/{profile_id}.bin", self.put),
            # Last, so that it takes what no route above does.
            *((method, "/v0/{rest:path}", self.unknown) for method in ALL_METHODS),
        )

    async def create(self, body: CreateSession) -> dict[str, str]:  # noqa: ARG002  (checked only)
        """Open a guest session in a fresh org; the creator's userId is not kept."""
        session = Session(
            session_id="session-" + self.draws.alphanumeric(8),
            org_id="org-" + self.draws.alphanumeric(6),
            user_id="session-user-" + self.draws.uuid(),
            expires_at=self.clock() + SESSION_LIFETIME,
        )
        self.state.sessions[session.session_id] = session
        return {"id": session.session_id}

    async def get(self, session_id: str, _key: KeyOrg) -> dict[str, Any]:
        """Return a session's org, model and generated user."""
        session = self._find(session_id)
        metadata = {
            "sessionId": session.session_id,
            "orgId": session.org_id,
            "modelId": MODEL_ID,
            "userId": session.user_id,
        }
        return {"session": metadata}

    async def claim(
        self, session_id: str, org_id: Annotated[str, Query(min_length=1)], key_org: KeyOrg
    ) -> dict[str, Any]:
        """End a session in favour of an org; every later call with its id is a 404."""
        if key_org not in {None, org_id}:
            raise error(403, "Forbidden", f"The API key has no access to {org_id}.")
        self._find(session_id).claimed_by_org = org_id
        return {}

    async def reference(
        self, request: Request, session_id: str, body: LogReference
    ) -> dict[str, Any]:
        """Return the upload target for one reference profile."""
        return self._reference(self._find(session_id), body, str(request.base_url))

    async def references(
        self, request: Request, session_id: str, body: BatchLogReference
    ) -> dict[str, Any]:
        """Return the upload targets for several references, in their order, and a joint link."""
        session = self._find(session_id)
        _require_profiles(body.references)
        for reference in body.references:
            _check_region(reference.region)
        base_url = str(request.base_url)
        rows = [self._reference(session, reference, base_url) for reference in body.references]
        joint = link(session_id, *(row["id"] for row in rows))
        return {"references": rows, "observatoryUrl": joint}

    def _reference(self, session: Session, body: LogReference, base_url: str) -> dict[str, Any]:
        _check_region(body.region)
        now = self.clock()
        alias = f"ref-{now.isoformat()}" if body.alias is None else body.alias
        timestamp = _ms(now) if body.dataset_timestamp is None else body.dataset_timestamp
        profile = self._profile(session, "ref-", timestamp, alias=alias)
        return {
            "id": profile.profile_id,
            "modelId": MODEL_ID,
            "alias": alias,
            "observatoryUrl": link(session.session_id, profile.profile_id),
            "uploadUrl": self._target(session, profile, base_url),
            "uploadTimestamp": timestamp,
        }

    async def dataset(self, request: Request, session_id: str, body: LogAsync) -> dict[str, Any]:
        """Return the upload target for a dataset profile; the model is `datasetId` here."""
        session = self._find(session_id)
        _check_region(body.region)
        if body.dataset_timestamp < _ms(self.clock() - OLDEST_DATASET):
            message = "Dataset timestamp is older than 5 years."
            raise error(400, "IllegalArgument", message)
        tags = body.segment_tags
        profile = self._profile(session, "log-", body.dataset_timestamp, segment_tags=tags)
        return {
            "id": profile.profile_id,
            "observatoryUrl": link(session_id, day_of(profile.timestamp)),
            "uploadUrl": self._target(session, profile, str(request.base_url)),
            "datasetId": MODEL_ID,
            "uploadTimestamp": profile.timestamp,
        }

    async def links(self, session_id: str, body: GetLinks) -> dict[str, Any]:
        """Return links to profiles: references first, then the days of the datasets."""
        self._find(session_id)
        profiles = body.reference_profile_ids + [day_of(t) for t in body.batch_profile_timestamps]
        _require_profiles(profiles)
        return {
            "observatoryUrl": link(session_id, *profiles),
            "individualObservatoryUrls": [link(session_id, profile) for profile in profiles],
        }

    async def put(self, request: Request, org_id: str, profile_id: str) -> Response:
        """Take the raw bytes of a profile at its presigned target, claimed session or not."""
        profile = self._uploaded(org_id, profile_id)
        if profile is None or request.query_params.get("X-Amz-Signature") != profile.signature:
            raise Refusal.storage(403, "SignatureDoesNotMatch", "The signature does not match.")
        if self.clock() >= profile.expires_at:
            raise Refusal.storage(403, "AccessDenied", "Request has expired")
        profile.content = await request.body()
        return Response(status_code=200)

    async def unknown(self, rest: str, _key: KeyOrg) -> Response:  # noqa: ARG002  (any path)
        """Answer for a route that Songbird does not have: 404, no body."""
        return Response(status_code=404)

    def _find(self, session_id: str) -> Session:
        """Return a session that still lives."""
        session = self.state.sessions.get(session_id)
        gone = session is None or session.claimed_by_org or self.clock() >= session.expires_at
        if session is None or gone:
            message = f"Resource session with ID {session_id} not found."
            raise error(404, "ResourceNotFound", message)
        return session

    def _profile(
        self,
        session: Session,
        prefix: str,
        timestamp: int,
        alias: str | None = None,
        segment_tags: list[SegmentTag] | None = None,
    ) -> Profile:
        profile = Profile(
            profile_id=prefix + self.draws.alphanumeric(16),
            alias=alias,
            timestamp=timestamp,
            segment_tags=segment_tags or [],
            expires_at=self.clock() + UPLOAD_LIFETIME,
            signature=self.draws.hexadecimal(64),
        )
        session.profiles[profile.profile_id] = profile
        return profile

    def _target(self, session: Session, profile: Profile, base_url: str) -> str:
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": f"{profile.expires_at - UPLOAD_LIFETIME:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": int(UPLOAD_LIFETIME.total_seconds()),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": profile.signature,
        }
        path = f"{TARGET}/{session.org_id}/{profile.profile_id}.bin"
        return f"{base_url.rstrip('/')}{path}?{urlencode(query)}"

    def _uploaded(self, org_id: str, profile_id: str) -> Profile | None:
        for session in self.state.sessions.values():
            if session.org_id == org_id:
                return session.profiles.get(profile_id)
        return None

    def counts(self) -> dict[str, int]:
        """Return how many sessions there are."""
        return {"sessions": len(self.state.sessions)}


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _check_region(region: str | None) -> None:
    if region is not None and region not in REGIONS:
        message = f"Unsupported region provided: {region}. Supported: {', '.join(REGIONS)}"
        raise error(400, "IllegalArgument", message)


def _require_profiles(profiles: Sequence[object]) -> None:
    if not profiles:
        raise error(400, "IllegalArgument", "Must provide at least one profile")
