"""WhyLabs: guest sessions, and the uploads of their profiles.

The id of a guest session opens it to anyone, so it is cut from logs and errors like a credential.
WhyLabs' hosted platform has been shut down; ``base_url`` names a server that still has
``/v0/sessions``. Facts: ``docs/contracts/whylabs.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sessions_vtab import rest
from sessions_vtab.contract import times
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.tables import SESSIONS, session_columns

_MS, _DAY = 1_000_000, 86_400_000
_JOINT = 3
"""Profiles that a joint link shows; further ones are left out (contract, section 4)."""

_FIELDS = ("alias", "dataset_timestamp", "region")

# Whole numbers of 9 to 11 digits are seconds wherever SQL takes a time, and would be milliseconds
# here: nobody means the years 1970 to 1973.
_AMBIGUOUS = range(10**8, 10**11)

# From arguments to bodies, checked before anything is sent. Optional fields are left out, never
# null: the vendor's own client refuses a null.


def milliseconds(value: Any, where: str) -> int:
    """A time in JSON as milliseconds since 1970: a time's text, or that number itself.

    Raises:
        InvalidValueError: it is neither, or a number that might be meant as seconds.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) in _AMBIGUOUS:
            raise rest.InvalidValueError(
                f"{where}: {value} could mean seconds or milliseconds since 1970. Write a"
                " time such as '2026-01-01 09:00:00'. Nothing was sent."
            )
        return value
    return times.require(value if isinstance(value, str) else None, where) // _MS


def _text(value: Any, where: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise rest.refused(where, "must be text")
    return value


def reference_body(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """LogReferenceRequest; ``{}`` if nothing is given."""
    body: dict[str, Any] = {
        name: _text(given[name], f"{where}.{name}", empty=name == "alias")
        for name in ("alias", "region")
        if given.get(name) is not None
    }
    if (stamp := given.get("dataset_timestamp")) is not None:
        body["datasetTimestamp"] = milliseconds(stamp, f"{where}.dataset_timestamp")
    return body


def dataset_body(given: Mapping[str, rest.Value], where: str) -> dict[str, Any]:
    """LogAsyncRequest; tags as an object, or in the API's own form."""
    what = f"{where}: segment_tags"
    tags = rest.load_json(given["segment_tags"], what)
    if isinstance(tags, dict):
        tags = [{"key": key, "value": value} for key, value in tags.items()]
    # The vendor's client demands a text of at least one character for both.
    if not isinstance(tags, list) or not all(
        isinstance(tag, dict)
        and tag.keys() == {"key", "value"}
        and all(isinstance(text, str) and text for text in tag.values())
        for tag in tags
    ):
        raise rest.refused(
            what,
            "must be a JSON object with text values, or an array of {key, value}"
            " objects; neither keys nor values may be empty",
        )
    return {**reference_body(given, where), "segmentTags": tags}


def references_body(given: Mapping[str, rest.Value], where: str) -> dict[str, Any]:
    """BatchLogReferenceRequest."""
    what = f"{where}: reference_list"
    listed = rest.json_array(given["reference_list"], what)
    if not listed:
        raise rest.refused(what, "needs at least one reference")
    return {"references": [_reference(one, f"{what}[{at}]") for at, one in enumerate(listed)]}


def _reference(one: Any, where: str) -> dict[str, Any]:
    if not isinstance(one, dict):
        raise rest.refused(where, "must be a JSON object")
    for name in one:
        if name not in _FIELDS:
            near = rest.did_you_mean(name, _FIELDS)
            why = f"has no field {name!r:.60}.{near} Fields: {', '.join(_FIELDS)}"
            raise rest.refused(where, why)
    return reference_body(one, where)


def links_body(given: Mapping[str, rest.Value], where: str) -> dict[str, Any]:
    """GetProfileObservatoryLinkRequest."""
    in_times, in_ids = f"{where}: batch_profile_timestamps", f"{where}: reference_profile_ids"
    stamps = rest.json_array(given.get("batch_profile_timestamps", "[]"), in_times)
    ids = rest.json_array(given.get("reference_profile_ids", "[]"), in_ids)
    if not (stamps or ids):
        why = "needs at least one of batch_profile_timestamps and reference_profile_ids"
        raise rest.refused(where, why)
    days = [milliseconds(one, f"{in_times}[{at}]") for at, one in enumerate(stamps)]
    profiles = [_text(one, f"{in_ids}[{at}]") for at, one in enumerate(ids)]
    return {"batchProfileTimestamps": days, "referenceProfileIds": profiles}


# From responses to rows.

_id, _url = (rest.text_of(name, required=True) for name in ("id", "observatoryUrl"))
_UPLOADED = {
    "upload_url": rest.text_of("uploadUrl", required=True),
    "observatory_url": _url,
    "upload_time": rest.epoch_of("uploadTimestamp", per_second=1_000),
}
_REFERENCE = {
    "reference_id": _id,
    "reference_alias": rest.text_of("alias", required=True),
    "model_id": rest.text_of("modelId", required=True),
    **_UPLOADED,
}


def _references_rows(response: rest.Response, _: rest.Arguments) -> Iterable[rest.Row]:
    item, frame = response.object(), rest.RestFrame(response.what)
    given, count = item.get("references"), len(response.call.json["references"])
    objects = isinstance(given, list) and all(isinstance(one, dict) for one in given)
    if not isinstance(given, list) or not objects or len(given) != count:
        raise frame.wrong("references", f"a list of {count} objects")
    joint, text = _url(item, frame), rest.response_of(response)
    return [(*(get(one, frame) for get in _REFERENCE.values()), joint, text) for one in given]


def _link_rows(response: rest.Response, _: rest.Arguments) -> Iterable[rest.Row]:
    """References first, then times. A link names a day, and so does its row."""
    item, frame, sent = response.object(), rest.RestFrame(response.what), response.call.json
    days = [str(stamp - stamp % _DAY) for stamp in sent["batchProfileTimestamps"]]
    profiles, links = [*sent["referenceProfileIds"], *days], item.get("individualObservatoryUrls")
    texts = isinstance(links, list) and all(isinstance(link, str) for link in links)
    if not isinstance(links, list) or not texts or len(links) != len(profiles):
        raise frame.wrong("individualObservatoryUrls", f"a list of {len(profiles)} strings")
    joint, text = _url(item, frame), rest.response_of(response)
    pairs = enumerate(zip(profiles, links, strict=True))
    return [(profile, link, joint, int(at < _JOINT), text) for at, (profile, link) in pairs]


# "Resource session with ID .. not found." A server without these routes answers 404 without a
# body (contract, section 1), which is another thing.
_GONE = (rest.ResponseMatcher(404, r"^ResourceNotFound$", "type"),)
_ONE = "/v0/sessions/{session_id}"
_EXAMPLE = "SELECT expire_time FROM sessions WHERE session_id = 'session-6LpL'"


def _guest(
    name: str, route: str, body: rest.Body, rows: Any, *, asks: bool = False
) -> rest.RestFunction:
    """A function of a guest: it is sent without the key."""
    operation = rest.Operation(
        route, body=body, missing=_GONE, anonymous=True, asks=asks, secret=("session_id",)
    )
    return rest.RestFunction(FUNCTIONS[name], operation, rows)


class _GuestWriter(rest.Writer):
    """Rows of ``sessions``: an INSERT answers with the id alone, in a field of another name."""

    def made(
        self, write: rest.Write, response: rest.Response, places: rest.Places, sender: rest.Sender
    ) -> rest.Found:
        """RETURNING reads the other columns of the new session, where a key may go out."""
        frame = self.resource.frame(response, places)
        found = rest.Found({"sessionId": _id(response.object(), frame)}, frame)
        if write.returning and self.backend.reads_back():
            with suppress(rest.SessionsError):  # It exists all the same.
                return self.shown({"session_id": found.item["sessionId"]}, sender) or found
        return found


class WhylabsOptions(rest.RestOptions):
    """Settings of a source.

    Attributes:
        org_id: the organisation that ``claim_guest_session`` hands sessions to.
    """

    org_id: str | None = None


class WhylabsBackend(rest.RestBackend):
    """Guest sessions of one server."""

    name = "whylabs"
    title = "WhyLabs sessions"
    secret_ids = True
    options = WhylabsOptions
    settings: WhylabsOptions
    writers = {"sessions": _GuestWriter}
    base_url_variable = "WHYLABS_API_ENDPOINT"
    no_default = "WhyLabs' own hosts have been shut down, so there is no default."
    hosts = (r"(?:api|songbird\.development)\.whylabsapp\.com",)
    key_header = "X-API-Key"
    key_variables = ("WHYLABS_API_KEY",)
    statuses = {
        403: "The key is unknown, has expired, or belongs to another organisation. Session routes"
        " may also refuse ordinary keys.",
        404: "This server has no session routes. WhyLabs' hosted platform has been shut down, and"
        " the open-source server (whylabs-oss) was published without them. Set base_url to a server"
        " that still has /v0/sessions, or to the emulator (sessions-vtab emulator).",
        429: "The limit applies per key, or per address without a key. It recovers slowly.",
    }
    gone = (
        "The guest session does not exist, has expired, or was claimed. Open another one with"
        " INSERT INTO sessions(user_id) VALUES ('..') RETURNING session_id."
    )
    tables = (
        rest.RestTable(
            SESSIONS.extended(*session_columns("org_id", "model_id"), example=_EXAMPLE),
            "sessions/{session_id}",
            {
                "session_id": "sessionId",
                # The service makes up a user of its own: never the one that was sent.
                "user_id": "userId",
                "org_id": "orgId",
                "model_id": "modelId",
            },
            get=rest.Get(f"GET {_ONE}", item="session", missing=_GONE, secret=("session_id",)),
            insert=rest.Insert(
                "POST /v0/sessions",
                body={"user_id": "userId"},
                anonymous=True,
                required=("user_id",),
            ),
            hints={
                "update": "A guest session cannot be changed.",
                "delete": "The API cannot delete guest sessions. They expire by themselves;"
                " claim_guest_session('session-..', 'org-..') ends one at once.",
            },
            hint="The API cannot list guest sessions. Keep the id returned by INSERT INTO"
            " sessions(user_id) VALUES ('..') RETURNING session_id, and add WHERE"
            " session_id = '..'.",
            rows=1,
        ),
    )
    functions_declared = (
        rest.RestFunction(
            FUNCTIONS["claim_guest_session"],
            rest.Operation(
                f"POST {_ONE}/claim",
                query={"org_id": "{org}"},
                headers={"Content-Type": "application/json"},
                missing=_GONE,
                secret=("session_id",),
            ),
            {"org_id": lambda _, frame: frame.places["org"], "claimed": lambda *_: 1},
        ),
        _guest(
            "create_dataset_profile_upload",
            f"POST {_ONE}/upload",
            dataset_body,
            {"log_id": "id", "dataset_id": "datasetId", **_UPLOADED},
        ),
        _guest(
            "create_reference_profile_upload", f"POST {_ONE}/reference", reference_body, _REFERENCE
        ),
        _guest(
            "batch_create_reference_profile_upload",
            f"POST {_ONE}/references",
            references_body,
            _references_rows,
        ),
        _guest(
            "session_profile_observatory_link",
            "POST /v0/sessions/observatory-link/{session_id}",
            links_body,
            _link_rows,
            asks=True,
        ),
    )

    def arguments(self, function: str, given: rest.Arguments) -> rest.Arguments:
        org = self.settings.org_id if function == "claim_guest_session" else None
        return given if org is None else {"org": org, **given}

    def describe(self) -> str:
        if not self.has_key:
            return f"{self.title} at {self.endpoint.base_url} as a guest, without a key"
        return f"{super().describe()} where one is needed"
