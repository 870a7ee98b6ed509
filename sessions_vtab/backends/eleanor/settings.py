"""A source's settings: ``eleanor://NAMESPACE?base_url=..``, validated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

from pydantic import Field, model_validator

from sessions_vtab.backends.eleanor.names import SessionRef, parse_session
from sessions_vtab.backends.eleanor.routes import fields_of, routes_of
from sessions_vtab.errors import (
    ConfigurationError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
)
from sessions_vtab.fetch import NO_AUTH, Answer, Bearer, Site
from sessions_vtab.fetch.options import KeyOptions, validated, with_prefix
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.source import Source

__all__ = ["Settings", "site_of"]

_UNADDRESSABLE = frozenset(("", ".", ".."))
"""Texts that no path can have as a segment."""

_MEANINGS = ((Answer(410), NotFoundError),)

# Statuses as Eleanor's error map has them; what to do about each.
_REMEDIES = {
    403: (
        "The session is disabled or managed by the system, the participant belongs to another"
        " namespace, or the credential lacks permission."
    ),
    404: (
        "If it should exist, the server may use another route. Correct api_prefix or routes"
        " in the source's settings."
    ),
    405: (
        "The server expects another method for this operation. Correct routes in the"
        " source's settings."
    ),
    409: (
        "The name is already taken, perhaps by a deleted session. Check with SELECT .. WHERE"
        " include_deleted = 1."
    ),
    410: "The session is deleted. Restore it with SELECT * FROM undelete_session('..').",
    422: (
        "The server may use another name for the field. In that case, correct fields in the"
        " source's settings."
    ),
}


class _Options(KeyOptions):
    """The backend's own settings, as a URL or TOML has them."""

    base_url: str
    api_prefix: str = "/api/v1"
    routes: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_routes_and_fields(self) -> Self:
        routes_of(self.routes)
        fields_of(self.fields)
        return self


class Settings:
    """What the rest of the backend knows about its source.

    Attributes:
        source: the configured source.
        options: its validated settings.
        namespace: the default namespace; None if WHERE has to name it.
        routes: by operation.
        fields: field of a body by column.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.options = validated(source, _Options)
        self.namespace = source.location or None
        self.routes = routes_of(self.options.routes)
        self.fields: Mapping[str, str] = fields_of(self.options.fields)
        if self.namespace in _UNADDRESSABLE:
            raise ConfigurationError(
                f"Source {source.name}: {self.namespace!r} is not a valid namespace. Write"
                " the URL as eleanor://NAMESPACE?base_url=.."
            )

    def namespaces(self, given: Callable[[str], tuple[Value, ...] | None]) -> list[str]:
        """The namespaces a scan or a row is about.

        Args:
            given: the values WHERE demands of a column, None if it demands none.

        Raises:
            InvalidValueError: a value cannot be a namespace, or ``scopes`` does not allow it.
            MissingParameterError: neither the source nor the statement names one.
        """
        values = given("namespace")
        if values is not None:
            return [self.allowed(str(value)) for value in values]
        if self.namespace is None:
            raise MissingParameterError(
                f"Source {self.source.name} has no namespace. Add namespace = '..' to its"
                " settings, or put it into its URL (eleanor://NAMESPACE?base_url=..)."
            )
        return [self.namespace]

    def allowed(self, namespace: str) -> str:
        """The namespace itself; raises InvalidValueError if it must not be asked for."""
        where = f"Source {self.source.name}"
        if namespace in _UNADDRESSABLE:
            raise InvalidValueError(
                f"{where}: {namespace!r} is not a valid namespace. Nothing was sent."
            )
        scopes = self.source.scopes.get("namespace")
        if scopes is not None and namespace not in (*scopes, self.namespace):
            raise InvalidValueError(
                f"{where}: namespace = {namespace!r:.80} is not allowed. The source's scopes"
                f" allow only {', '.join(scopes)}. Nothing was sent."
            )
        return namespace

    def default_namespace(self, values: Mapping[str, Value]) -> str:
        """The namespace of a row that is written."""

        def given(column: str) -> tuple[Value, ...] | None:
            return (values[column],) if values.get(column) is not None else None

        return self.namespaces(given)[0]

    def resolve(self, session: Value) -> SessionRef:
        """The session a function's argument names: by full name, else by name or pkid."""
        text = str(session)
        ref = parse_session(text) or SessionRef(self.default_namespace({}), text)
        self.allowed(ref.namespace)
        return ref


def site_of(settings: Settings) -> Site:
    """Where the source's requests go, and with which credential.

    Raises:
        ConfigurationError: ``base_url`` is not a valid URL.
        CredentialError: a named credential must not go there.
    """
    options = settings.options
    secret = options.secret
    return Site.of(
        settings.source,
        with_prefix(options.base_url, options.api_prefix),
        NO_AUTH if secret is None else Bearer(secret),
        named=secret is not None,
        meanings=_MEANINGS,
        remedies=_REMEDIES,
    )
