"""Resource names: ``workspaces/{workspace}/upload_sessions/{id}`` and names below it.

A workspace is identified by its name, which can be any text, so every part is percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sessions_vtab.backends.deepset.settings import Settings
from sessions_vtab.backends.deepset.tables import ID_FORM
from sessions_vtab.contract.names import ids_of, resource_name
from sessions_vtab.contract.predicate import Value
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.fetch import plain

__all__ = ["Scope", "SessionRef", "session_file_name", "session_of_file", "workspace_file_name"]

_UUID = re.compile(ID_FORM.pattern, re.ASCII)


@dataclass(frozen=True, slots=True)
class SessionRef:
    """One upload session of one workspace."""

    workspace: str
    session_id: str

    @property
    def name(self) -> str:
        """The full resource name."""
        return resource_name(("workspaces", self.workspace), ("upload_sessions", self.session_id))


def session_file_name(session: SessionRef, file_name: str) -> str:
    """Name of a file within an upload session, where file names are unique."""
    return f"{session.name}/{resource_name(('files', file_name))}"


def workspace_file_name(workspace: str, file_id: str) -> str:
    """Name of an ingested file."""
    return resource_name(("workspaces", workspace), ("files", file_id))


def session_of_file(name: object) -> str:
    """Returns the session's name from the name of one of its files; '' if it contains none."""
    return str(name).rpartition("/files/")[0]


class Scope:
    """Turns workspaces, ids and names of a statement into upload sessions.

    Args:
        settings: settings of the source, with the default workspace and the allowed ``scopes``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._where = f"Source {settings.source.name}"

    def workspaces(self, given: Sequence[Value] | None) -> list[str]:
        """Returns the workspaces that a statement refers to.

        Args:
            given: the values that the statement requires of the column, None without a condition.

        Raises:
            InvalidValueError: the source's ``scopes`` do not allow one. Nothing was sent.
        """
        if given is None:
            return [self._settings.workspace]
        return [self._allowed(str(value)) for value in given]

    def sessions(
        self, workspaces: Sequence[Value] | None, ids: Sequence[Value]
    ) -> list[SessionRef]:
        """Returns upload sessions by id; a text that is not a UUID belongs to no session."""
        found = self.workspaces(workspaces)
        texts = (str(one).lower() for one in ids)
        known = dict.fromkeys(text for text in texts if _UUID.fullmatch(text))
        return [SessionRef(workspace, one) for workspace in found for one in known]

    def named(self, name: Value) -> SessionRef | None:
        """Returns the upload session of a full name; None if no session can have that name."""
        ids = ids_of(name, "workspaces", "upload_sessions")
        if ids is None or not _UUID.fullmatch(ids[1]):
            return None
        found = SessionRef(*ids)
        self._allowed(found.workspace)
        return found

    def workspace_of(self, values: Mapping[str, Value]) -> str:
        """Returns the workspace of a row to be written."""
        given = values.get("workspace")
        return self.workspaces(None if given is None else (given,))[0]

    def resolve(self, session: Value) -> SessionRef:
        """Returns the upload session that a function's argument names, by id or full name."""
        if not isinstance(session, str) or "/" not in session:
            return SessionRef(self._settings.workspace, self._checked(session))
        found = self.named(session)
        if found is None:
            raise InvalidValueError(
                f"{self._where}: {plain(repr(session), 100)} is not a valid upload session."
                " Give its id, or its full name workspaces/../upload_sessions/ID. Nothing"
                " was sent."
            )
        return found

    def _checked(self, session_id: Value) -> str:
        text = str(session_id).lower()
        if not _UUID.fullmatch(text):
            raise InvalidValueError(
                f"{self._where}: {plain(repr(session_id), 60)} is not a valid {ID_FORM.says}."
                " Nothing was sent."
            )
        return text

    def _allowed(self, workspace: str) -> str:
        source = self._settings.source
        allowed = source.scopes.get("workspace")
        if allowed is not None and workspace not in (*allowed, self._settings.workspace):
            raise InvalidValueError(
                f"{self._where}: workspace = {plain(repr(workspace), 80)} is not allowed. The"
                f" source's scopes allow only {', '.join(allowed)}. Nothing was sent."
            )
        return workspace
