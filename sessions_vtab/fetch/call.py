"""One HTTP exchange as data: the call that is made, what its answers mean, and the response."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import quote

from pydantic_core import from_json

from sessions_vtab.contract.values import well_formed
from sessions_vtab.errors import InvalidValueError, ProtocolError
from sessions_vtab.fetch.auth import plain

READ = "read"
WRITE = "write"

Item: TypeAlias = Mapping[str, Any]
"""One JSON object of a list."""

# Where the five services put the sentence that explains a refusal, the first that is text counts.
_MESSAGES = (
    "error.message",
    "status.message",
    "errors.0",
    "errors.0.msg",
    "details.0.message",
    "detail.0.msg",
    "detail",
    "message",
    "error",
)

_UNUSED = "the response was discarded. Does base_url point to the service itself?"
_IDEMPOTENT = frozenset(("GET", "PUT", "PATCH", "DELETE"))

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


def path(*segments: str, verb: str = "") -> str:
    """A host-relative path from segments that may hold any text: each is percent-encoded.

    Args:
        segments: without slashes of their own meaning; ``/`` inside one becomes ``%2F``.
        verb: a custom method of the last segment: ``:appendEvent`` (https://google.aip.dev/136).

    Raises:
        InvalidValueError: a segment is empty, ``.`` or ``..``, which would name another resource.
    """
    for segment in segments:
        if segment in {"", ".", ".."}:
            msg = f"{segment!r} cannot be part of a resource name."
            raise InvalidValueError(msg)
    return "/" + "/".join(map(_quoted, segments)) + verb


@lru_cache(maxsize=4096)
def _quoted(segment: str) -> str:
    """Percent-encoded; most segments are those of the call before: project, engine, session."""
    return quote(segment, safe="")


@dataclass(frozen=True, slots=True)
class MultipartForm:
    """A multipart/form-data body.

    Attributes:
        fields: text fields, sent before the file, in this order.
        name: form name of the file.
        file_name: name the file is sent under.
        content: the file.
        content_type: its media type.
    """

    fields: Mapping[str, str]
    name: str
    file_name: str
    content: bytes
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ResponseMatcher:
    """What a certain answer looks like, declared by a backend. Only JSON bodies ever match.

    Attributes:
        status: the HTTP status.
        pattern: regular expression searched in the text; '' matches any.
        field: dotted path of that text in the body (``error.status``); '' is the message that
            explains the refusal, wherever the service puts it.
    """

    status: int
    pattern: str = ""
    field: str = ""

    def matches(self, response: Response) -> bool:
        """Whether a response is such an answer."""
        if response.status != self.status or not response.is_json:
            return False
        text = _at(response.json, self.field) if self.field else message_of(response)
        return re.search(self.pattern, text if isinstance(text, str) else "") is not None


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """One request, without host and credential.

    Attributes:
        method: GET, POST, PUT, PATCH or DELETE.
        path: from ``path()``; appended to the endpoint's ``base_url``.
        query: parameters in order; None values are left out.
        json: the JSON body; None for no body.
        form: a multipart body instead.
        body: a raw body instead.
        headers: further headers, never credentials.
        kind: class for rate limits: ``read``, ``write``, or one of the backend's own.
        items: JSON field that holds the rows of a page; '' if the body itself is the list.
        listing: the answer is a page of rows; then ``items`` counts.
        beside: fields that a page without rows may consist of where the service leaves ``items``
            out of it (proto3 does); None: a page always has the field.
        asks: None: by method, GET does. True: it changes nothing. False: it is there to change
            something, so that one without a complete answer has an unknown outcome.
        repeatable: None: what asks, PUT, PATCH and DELETE are. True: sending it twice has the
            effect of sending it once. False: it is only sent again if the server cannot have acted.
            It says nothing about whether the request changes something.
        missing: answers that mean "no such row": the response comes back with ``missing`` set.
        done: answers that mean "already done" when an earlier attempt may have acted.
        origin: ``https://host`` instead of the endpoint's own; must be a host of the provider.
        target: a complete presigned URL instead of path and query; goes without credential.
        expects_json: a 2xx answer has to be JSON, or empty.
        anonymous: goes without the endpoint's credential.
        secrets: parts of path or body that are cut from logs and errors.
    """

    method: str
    path: str = "/"
    query: Sequence[tuple[str, str | int | None]] = ()
    json: Any = None
    form: MultipartForm | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    kind: str = READ
    items: str = ""
    listing: bool = False
    beside: frozenset[str] | None = None
    asks: bool | None = None
    repeatable: bool | None = None
    missing: tuple[ResponseMatcher, ...] = ()
    done: tuple[ResponseMatcher, ...] = ()
    origin: str = ""
    target: str = ""
    expects_json: bool = True
    anonymous: bool = False
    secrets: tuple[str, ...] = ()

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again although the server may have acted."""
        if self.repeatable is not None:
            return self.repeatable
        return not self.changes or self.method in _IDEMPOTENT

    @property
    def changes(self) -> bool:
        """Whether the request is there to change something on the server."""
        return self.method != "GET" if self.asks is None else not self.asks

    def with_query(self, **parameters: str | int | None) -> RequestSpec:
        """This call with parameters set; those given here replace, None removes."""
        kept = [(name, value) for name, value in self.query if name not in parameters]
        added = [(name, value) for name, value in parameters.items() if value is not None]
        # As ``dataclasses.replace``, at a fifth of its cost: this is done for each page.
        call = object.__new__(RequestSpec)
        for name in RequestSpec.__slots__:
            object.__setattr__(call, name, getattr(self, name))
        object.__setattr__(call, "query", (*kept, *added))
        return call

    def parameter(self, name: str) -> str | int | None:
        """The value of a query parameter, None if it is not there."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True)
class Response:
    """A complete answer.

    Attributes:
        call: what was asked.
        url: where, without secrets.
        status: HTTP status.
        headers: of the answer, names in lower case.
        content: the body.
        missing: it is one of the call's ``missing`` answers.
        already: it is one of the call's ``done`` answers, after a repetition.
        elapsed_ms: milliseconds of the last attempt.
        where: source and table that asked, for errors: ``prod.sessions``.
    """

    call: RequestSpec
    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    missing: bool = False
    already: bool = False
    elapsed_ms: float = 0.0
    where: str = ""

    def unread(self, content: bytes | None = None) -> Response:
        """A copy without the parsed form, at a tenth of the cost of ``dataclasses.replace``.

        Args:
            content: instead of the body.
        """
        copy = object.__new__(Response)
        copy.__dict__.update(self.__dict__)
        copy.__dict__.pop("json", None)
        if content is not None:
            copy.__dict__["content"] = content
        return copy

    def parsed(self) -> Response:
        """The response itself, if a body that has to be JSON is; raises ProtocolError if not."""
        if self.call.expects_json:
            _ = self.json
        return self

    @property
    def is_json(self) -> bool:
        """Whether the body says and is JSON."""
        if "json" not in self.headers.get("content-type", ""):
            return False
        try:
            return self.json is not None
        except ProtocolError:
            return False

    @cached_property
    def json(self) -> Any:
        """The body as JSON, None if there is none.

        Raises:
            ProtocolError: it is cut off, or something else.
        """
        if not self.content or self.content.isspace():
            return None
        try:
            # A third faster than the standard library, and stricter: what it refuses (half a
            # surrogate pair, another encoding than UTF-8, deep nesting) may be JSON all the same.
            return from_json(self.content, cache_strings="keys")
        except ValueError:
            return self._json_with_care()

    def _json_with_care(self) -> Any:
        try:
            loaded = json.loads(self.content)
            if _SURROGATE.search(self.content):
                # A lone surrogate is not valid text, and SQLite would not accept it.
                loaded = json.loads(well_formed(json.dumps(loaded, ensure_ascii=False)))
        except RecursionError:
            raise ProtocolError(f"{self.what} is nested too deeply; {_UNUSED}") from None
        except (ValueError, MemoryError) as error:
            msg = f"{self.what} is not JSON ({plain(str(error))}); {_UNUSED}"
            raise ProtocolError(msg) from None
        return loaded

    @property
    def what(self) -> str:
        """The response, for errors: ``prod.events: the response to GET https://.. (200)``."""
        where = f"{self.where}: the" if self.where else "The"
        return f"{where} response to {self.call.method} {self.url} ({self.status})"

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; ``{}`` if it is missing, or a change was answered with none.

        Raises:
            ProtocolError: it is something else, or what was asked is answered with nothing.
        """
        if self.missing:
            return {}
        body = self.json
        if body is None and self.call.changes:
            return {}
        if not isinstance(body, dict):
            raise ProtocolError(f"{self.what} should be a JSON object; {_UNUSED}")
        return body

    def items(self) -> list[dict[str, Any]]:
        """The rows of a page: the objects in the call's ``items`` field.

        Raises:
            ProtocolError: there is no such field, although the call does not say that it may be
                left out; or it is not a list of objects. A response of another kind is never
                taken for an empty page.
        """
        if self.missing:
            return []
        if self.json is None:
            raise ProtocolError(f"{self.what} is empty, but a page never is; {_UNUSED}")
        field = self.call.items
        rows = self._rows_in(self.object(), field) if field else self.json
        if not isinstance(rows, list) or not set(map(type, rows)) <= {dict}:
            where = f"field {field}" if field else "body"
            msg = f"{self.what}: the {where} should be a list of objects; {_UNUSED}"
            raise ProtocolError(msg)
        return rows

    def field(self, name: str) -> Any:
        """The value of a field of the body, None if there is none.

        Args:
            name: the field's, or those of the fields around it and its own: ``paging.next``.
        """
        return field_of(self.object(), name)

    def _rows_in(self, body: Mapping[str, Any], field: str) -> Any:
        found = field_of(body, field)
        if found is not None or field in body:
            return found
        beside = self.call.beside
        if beside is not None and body.keys() <= beside:
            return []
        raise ProtocolError(f"{self.what} has no field {field}, but a page always has; {_UNUSED}")

    @property
    def rows(self) -> int | None:
        """How many rows it holds, None if it is not a page; for the request log."""
        if not self.call.listing or self.missing or not self.is_json:
            return None
        body = self.json
        body = field_of(body, self.call.items) if isinstance(body, dict) else body
        return len(body) if isinstance(body, list) else 0


def message_of(response: Response) -> str:
    """The service's own sentence about a refusal; '' if there is none."""
    if not response.is_json:
        return ""
    if isinstance(response.json, str):
        return response.json
    found = (_at(response.json, place) for place in _MESSAGES)
    said = next((text for text in found if isinstance(text, str) and text), "")
    # FastAPI's 422 says beside its message which part of the request it is about.
    where = _at(response.json, "detail.0.loc")
    return f"{'.'.join(map(str, where))}: {said}" if said and isinstance(where, list) else said


def field_of(item: Item, name: str) -> Any:
    """The value of a field, None if there is none.

    Args:
        item: a JSON object.
        name: the field's, or those of the fields around it and its own: ``paging.next``.
    """
    return _at(item, name) if "." in name and name not in item else item.get(name)


def _at(body: Any, place: str) -> Any:
    """The value at a dotted path, None if there is none."""
    for step in place.split("."):
        if isinstance(body, dict):
            body = body.get(step)
        elif isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        else:
            return None
    return body
