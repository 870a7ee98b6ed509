"""What StackQL's registry says about ``google.aiplatform``, as far as this package serves it.

https://registry.stackql.io/providers/google/aiplatform/sessions/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "projectsId": "project",
        "locationsId": "location",
        "reasoningEnginesId": "reasoning_engine",
    }
)
"""Path parameters that choose a source, and our columns for them."""


@dataclass(frozen=True, slots=True)
class ProviderColumn:
    """A field of a resource: StackQL's name, ours, its type and what it is."""

    name: str
    ours: str
    type: str
    doc: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a resource, with the parameters it needs and takes."""

    name: str
    verb: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    doc: str


@dataclass(frozen=True, slots=True)
class ProviderResource:
    """A resource and the table of ours that stands for it.

    Attributes:
        name: StackQL's name and ours.
        columns: of SELECT *, in order.
        parameters: further names in WHERE, with our columns.
        methods: in the order in which StackQL tries them.
    """

    name: str
    doc: str
    columns: tuple[ProviderColumn, ...]
    parameters: Mapping[str, str]
    methods: tuple[Method, ...]

    @property
    def names(self) -> dict[str, str]:
        """Our column for every name that StackQL's text may use, in lower case."""
        every = {column.name.lower(): column.ours for column in self.columns}
        return every | {name.lower(): ours for name, ours in self.parameters.items()}


_PATH = (*SCOPES,)
_SESSION_PATH = (*SCOPES, "sessionsId")
_LISTING = ("pageSize", "filter", "orderBy", "pageToken")
_LISTED = {
    "pageSize": "page_size",
    "filter": "filter",
    "orderBy": "order_by",
    "pageToken": "page_token",
}

_SESSIONS = ProviderResource(
    "sessions",
    "Creates, updates, deletes, gets or lists a sessions resource.",
    (
        ProviderColumn("name", "name", "string", "Resource name of the session."),
        ProviderColumn("createTime", "create_time", "string", "When it was created."),
        ProviderColumn("displayName", "display_name", "string", "Name shown to people."),
        ProviderColumn("expireTime", "expire_time", "string", "When it expires."),
        ProviderColumn("labels", "labels", "object", "Labels."),
        ProviderColumn("sessionState", "state", "object", "State of the conversation."),
        ProviderColumn("ttl", "ttl", "string", "Time to live; input only."),
        ProviderColumn("updateTime", "update_time", "string", "When it was last written."),
        ProviderColumn("userId", "user_id", "string", "User that the session belongs to."),
    ),
    MappingProxyType(
        {
            **SCOPES,
            **_LISTED,
            "sessionsId": "session_id",
            "sessionId": "session_id",
            "updateMask": "update_mask",
        }
    ),
    (
        Method("get", "SELECT", _SESSION_PATH, (), "Gets details of the specific Session."),
        Method("list", "SELECT", _PATH, _LISTING, "Lists Sessions in a given reasoning engine."),
        Method("create", "INSERT", _PATH, ("sessionId",), "Creates a new Session."),
        Method("patch", "UPDATE", _SESSION_PATH, ("updateMask",), "Updates the specific Session."),
        Method("delete", "DELETE", _SESSION_PATH, (), "Deletes details of the specific Session."),
        Method("append_event", "EXEC", _SESSION_PATH, (), "Appends an event to a given session."),
        Method("compact", "EXEC", _SESSION_PATH, (), "Shortens the history of a session."),
    ),
)
_EVENTS = ProviderResource(
    "events",
    "Lists the events of a session.",
    (
        ProviderColumn("name", "name", "string", "Resource name of the event."),
        ProviderColumn(
            "actions", "actions", "object", "Changes that the event makes to the session."
        ),
        ProviderColumn("author", "author", "string", "Author: 'user' or an agent's name."),
        ProviderColumn("content", "content", "object", "Content of the event."),
        ProviderColumn(
            "errorCode", "error_code", "string", "Code of the error that ended the turn."
        ),
        ProviderColumn("errorMessage", "error_message", "string", "Its message."),
        ProviderColumn("eventMetadata", "event_metadata", "object", "Metadata."),
        ProviderColumn("invocationId", "invocation_id", "string", "Invocation it belongs to."),
        ProviderColumn(
            "rawEvent",
            "raw_event",
            "object",
            "The event in the format of the framework that wrote it.",
        ),
        ProviderColumn("timestamp", "timestamp", "string", "When it happened."),
    ),
    MappingProxyType({**SCOPES, **_LISTED, "sessionsId": "session_id"}),
    (Method("list", "SELECT", _SESSION_PATH, _LISTING, "Lists the events of a session."),),
)
RESOURCES: Mapping[str, ProviderResource] = MappingProxyType(
    {"sessions": _SESSIONS, "events": _EVENTS}
)
