"""From answers to rows: where a session is in a body, and its fields as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sessions_vtab.backends.eleanor.names import ParticipantRef, SessionRef
from sessions_vtab.fetch import Item, Reply
from sessions_vtab.fetch.rows import Frame, Getter, flag_of, json_of, text_of, time_of
from sessions_vtab.schema.model import Table
from sessions_vtab.spec.scan import Row

__all__ = ["Found", "SessionFrame", "Wire", "row_of"]


@dataclass(frozen=True, slots=True)
class SessionFrame(Frame):
    """What the sessions of one answer have in common.

    Attributes:
        namespace: whose they are, as it was asked for.
    """

    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A session as it came, with the answer it came in."""

    item: Item
    frame: SessionFrame


class Wire:
    """Reads the bodies of one source.

    Args:
        fields: field of a body by column.

    Attributes:
        columns: how each column of ``sessions`` is built.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self._id = text_of(fields["session_id"], required=True)
        self._deleted = flag_of(fields["deleted"])
        self.columns: Mapping[str, Getter[SessionFrame]] = {
            "name": lambda item, frame: SessionRef(frame.namespace, self.id_of(item, frame)).name,
            "namespace": lambda _, frame: frame.namespace,
            **{name: make(fields[name]) for name, make in _COLUMNS.items() if name in fields},
            "session_id": self._id,
        }

    def id_of(self, item: Item, frame: Frame) -> str:
        """A session's own id; it has to be there."""
        return self._id(item, frame) or ""

    def ref_of(self, found: Found) -> SessionRef:
        """The session that was found."""
        return SessionRef(found.frame.namespace, self.id_of(found.item, found.frame))

    def is_deleted(self, found: Found) -> bool:
        """Whether it is deleted softly."""
        return self._deleted(found.item, found.frame) == 1

    def session(self, reply: Reply, namespace: str) -> Found:
        """The session in an answer; ProtocolError if there is none."""
        found = self.find_session(reply, namespace)
        if found is None:
            wrapper = self._fields["session"]
            raise SessionFrame(reply.what).wrong(wrapper or "name", "there")
        return found

    def find_session(self, reply: Reply, namespace: str) -> Found | None:
        """The session in an answer, None if it holds none."""
        wrapper = self._fields["session"]
        body = reply.object()
        item = body.get(wrapper) if wrapper else body
        if not isinstance(item, dict) or self._fields["session_id"] not in item:
            return None
        return Found(item, SessionFrame(reply.what, namespace))

    def sessions(self, reply: Reply, namespace: str) -> list[Found]:
        """The sessions of a list."""
        frame = SessionFrame(reply.what, namespace)
        return [Found(item, frame) for item in reply.items()]

    def task_id(self, reply: Reply) -> str | None:
        """The task that an integration runs as."""
        return text_of(self._fields["task_id"])(reply.object(), Frame(reply.what))

    def participants(self, found: Found) -> Iterator[Mapping[str, str | None]]:
        """Columns of each participant of a session."""
        field = self._fields["participants"]
        listed = found.item.get(field) or []
        if not isinstance(listed, list):
            raise found.frame.wrong(field, "a list")
        ref = self.ref_of(found)
        for entry in listed:
            yield self._participant(entry, ref, found.frame)

    def _participant(
        self, entry: object, ref: SessionRef, frame: SessionFrame
    ) -> Mapping[str, str | None]:
        fields = self._fields
        # Whether a participant is an object or just its name is not documented.
        item = entry if isinstance(entry, dict) else {fields["participant"]: entry}
        name = text_of(fields["participant"], required=True)(item, frame) or ""
        return {
            "name": ParticipantRef(ref, name).name,
            "session_name": ref.name,
            "session_id": ref.session,
            "participant": name,
            "participant_type": text_of(fields["participant_type"])(item, frame),
            "namespace": ref.namespace,
            "pkid": text_of("pkid")(item, frame),
        }


def row_of(table: Table, values: Mapping[str, str | None]) -> Row:
    """A row from columns by name."""
    return tuple(values.get(name) for name in table.names)


_COLUMNS: Mapping[str, Callable[[str], Getter[SessionFrame]]] = {
    **dict.fromkeys(("pkid", "description", "user_id", "display_name"), text_of),
    **dict.fromkeys(("enabled", "managed", "auto_created", "deleted"), flag_of),
    **dict.fromkeys(("create_time", "update_time", "expire_time"), time_of),
    **dict.fromkeys(("settings", "labels", "state"), json_of),
}
"""How the field of each column is read."""
