"""StackQL's words: comments, hints, the resources that it can name, and what a translation can be.

The resources are what StackQL's registry says about ``google.aiplatform``, as far as this package
serves it: https://registry.stackql.io/providers/google/aiplatform/sessions/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from sessions_vtab.errors import StatementError, UnknownNameError
from sessions_vtab.sql.lexer import Token, TokenKind, name_of
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.stackql import SERVICE, is_place


class ResultShape(Enum):
    """What the rows of a translated statement are."""

    ROWS = "rows"
    """Those of the SQL."""
    OPERATION = "operation"
    """The long-running operation: ``items`` over name, done, error, metadata, response."""
    MESSAGE = "message"
    """``The operation was despatched successfully``, once the rows have been read."""


@dataclass(frozen=True, slots=True)
class EngineScope:
    """The engine a statement names; empty where it is given by parameters or by IN."""

    project: str = ""
    location: str = ""
    reasoning_engine: str = ""


@dataclass(frozen=True, slots=True)
class Translation:
    """A StackQL statement in our own SQL.

    Attributes:
        sql: the statement; parameters are numbered as in the original.
        answer: what its rows are.
        items: for ``ResultShape.OPERATION`` the RETURNING list, to be selected from a row of name,
            done (0 or 1), error, metadata and response (JSON); empty if nothing is returned.
        asks: numbers of the parameters whose values choose its sources; empty once those values
            were given to ``translate``, or where there is one source to choose from.
        numbering: parameters of the original statement, by which its bindings are counted.
    """

    sql: str
    answer: ResultShape = ResultShape.ROWS
    items: str = ""
    asks: frozenset[int] = frozenset()
    numbering: Numbering | None = None


@dataclass(frozen=True, slots=True)
class StaticResult:
    """The answer of SHOW or DESCRIBE, which needs no request.

    Attributes:
        columns: names of the columns.
        rows: their values.
        where: a condition on them, as SQL; empty for none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    where: str = ""


_COMMENTS = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|/\*.*?\*/|--[^\n]*|(?://|#)[^\n]*", re.DOTALL
)


def cleaned(text: str) -> str:
    """The text without StackQL's comments ``//`` and ``#``; nothing moves."""

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        return " " * len(found) if found.startswith(("//", "#")) else found

    return _COMMENTS.sub(blank, text)


def hints_of(text: str) -> frozenset[str]:
    """Words of the hint after the verb: ``/*+ AWAIT */``; StackQL ignores ``/*+AWAIT*/``."""
    match = re.match(r"\s*\w+\s+/\*(\+.*?)\*/", text, re.DOTALL)
    words = match[1].split() if match and match[1][-1:].isspace() else []
    return frozenset(word.upper() for word in words[1:] if words[0] == "+")


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

    @property
    def given(self) -> frozenset[str]:
        """Names of its parameters in lower case."""
        return frozenset(name.lower() for name in self.parameters)


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


@dataclass(frozen=True, slots=True)
class ResourceMention:
    """One table of a statement: ``google.aiplatform.sessions [AS] s``.

    Attributes:
        resource: which it is.
        at: index of its first token.
        end: one after the last token of its name.
        label: how its columns are qualified.
        aliased: it is followed by an alias.
    """

    resource: ProviderResource
    at: int
    end: int
    label: str
    aliased: bool = False


def places(tokens: Sequence[Token]) -> list[ResourceMention]:
    """The resources a statement names as tables.

    Raises:
        UnknownNameError: a service or resource that is not served here.
    """
    found = []
    for index in range(len(tokens)):
        if is_place(tokens, index):
            parts = [name_of(tokens[index + step]) for step in (0, 2, 4)]
            resource = resource_of(parts)
            alias = alias_at(tokens, index + 5)
            label = resource.name if alias is None else alias
            found.append(ResourceMention(resource, index, index + 5, label, alias is not None))
    return found


def parts_at(tokens: Sequence[Token], index: int) -> tuple[list[str], int]:
    """The parts of the dotted name that begins at a token, and the index after it."""
    parts = []
    while index < len(tokens) and tokens[index].kind in (TokenKind.WORD, TokenKind.QUOTED):
        parts.append(name_of(tokens[index]))
        index += 1
        if index >= len(tokens) or tokens[index].text != ".":
            break
        index += 1
    return parts, index


def resource_of(parts: Sequence[str]) -> ProviderResource:
    """The resource that the first three parts of a name stand for.

    Raises:
        UnknownNameError: it is not served here, or the name has fewer parts.
    """
    provider, service, name = [*parts, "", "", ""][:3]
    found = RESOURCES.get(name) if (provider, service) == SERVICE else None
    if found is None:
        known = ", ".join(".".join((*SERVICE, one)) for one in RESOURCES)
        asked = f"{provider}.{service}.{name}"
        raise UnknownNameError(f"could not find resource '{asked}'; available: {known}.")
    return found


_NO_ALIAS = frozenset(
    (
        *("WHERE", "SET", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "ON"),
        *("GROUP", "ORDER", "LIMIT", "HAVING", "UNION", "EXCEPT", "INTERSECT", "RETURNING"),
        *("SELECT", "VALUES", "USING", "OUTER", "DEFAULT", "INDEXED", "NOT", "WINDOW"),
    )
)


def alias_at(tokens: Sequence[Token], at: int) -> str | None:
    """The alias of an item of FROM whose name ends before a token; None if it has none."""
    if at < len(tokens) and tokens[at].upper == "AS":
        if at + 1 >= len(tokens):
            raise StatementError("syntax error: a name is missing after AS.")
        return name_of(tokens[at + 1])
    named = at < len(tokens) and tokens[at].kind in (TokenKind.WORD, TokenKind.QUOTED)
    return name_of(tokens[at]) if named and tokens[at].upper not in _NO_ALIAS else None
