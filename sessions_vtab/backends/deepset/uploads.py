"""deepset: upload sessions are opened and closed, and files posted to their presigned targets.

Only the response that opens a session contains its upload target, so a connection keeps those of
the sessions that it has opened. Whoever has such a target may upload.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from sessions_vtab import rest
from sessions_vtab.backends.deepset import reading

if TYPE_CHECKING:
    from sessions_vtab.backends.deepset import DeepsetBackend

SESSION: Final = "workspaces/{workspace}/upload_sessions/{session_id}"

_url = rest.text_of("url", required=True)


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """The upload target of an upload session.

    Attributes:
        url: URL of the presigned POST.
        fields: form fields of the POST, in order.
    """

    url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)


def _target_of(body: rest.Item, frame: rest.DecodeContext) -> UploadTarget:
    """The upload target in the response to a create call."""
    config = body.get("aws_prefixed_request_config")
    fields = config.get("fields") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(fields, dict):
        raise frame.wrong("aws_prefixed_request_config", "an object with url and fields")
    if not all(isinstance(value, str) for value in fields.values()):
        raise frame.wrong("aws_prefixed_request_config.fields", "an object with string values")
    return UploadTarget(str(_url(config, frame)), fields)


class UploadSessionWriter(rest.Writer):
    """Rows of ``upload_sessions``: INSERT opens one, UPDATE closes one."""

    backend: DeepsetBackend
    resource: reading.UploadSessionReader

    def made(
        self, write: rest.Write, response: rest.Response, places: rest.Places, _: rest.Sender
    ) -> rest.Found:
        """The new session, whose upload target is kept."""
        frame = rest.RestFrame(response.what, {**places, "is_expired": "false"})
        try:
            body = reading.detail_of(response)
            name = self.name(self.resource.decoder.places(body, frame))
            self.backend.targets[name] = _target_of(body, frame)
            self.resource.row(body, frame)  # Every field of it can be read.
        except rest.ProtocolError as error:
            raise rest.UnknownOutcomeError(
                f"{self.where}: {error} The service opened an upload session anyway; find it"
                " with SELECT session_id FROM upload_sessions WHERE status = 'OPEN'."
            ) from None
        mode = write.values.get("write_mode", "KEEP")
        return rest.Found({**body, "status": "OPEN", "write_mode": mode}, frame)

    def look(self, places: rest.Places, sender: rest.Sender) -> rest.Found | None:
        """The answer to the session's GET, and its row of a list."""
        found = super().look(places, sender)
        if found is None:
            return None
        for expired in ("false", "true"):
            asked = self.resource.list_of(places["workspace"], expired)
            for response in rest.pages_of(asked.call, reading.UploadSessionPages(), sender.send):
                for item in response.items():
                    if item.get("session_id") == places["session_id"]:
                        frame = rest.RestFrame(response.what, {**places, **asked.places})
                        return rest.Found({**found.item, **item}, frame)
        return found


_META_SUFFIX: Final = ".meta.json"

# Limits of the service (docs.cloud.deepset.ai, "Upload Files").
_MOST_BYTES: Final = 200 * 1024 * 1024
_MOST_META: Final = 32_766

# deepset-cloud-sdk 1.7.8 replaces these with an underscore before it encodes a name. It does not
# replace U+007F, which it then cannot send.
_UNSAFE: Final = re.compile(r"[\\#%\"'|<>{}\[\]`^~\x00-\x1f\x7f]")


def stored_name(file_name: str) -> str:
    """The name under which the SDK would store a file."""
    return _UNSAFE.sub("_", file_name)


def target_for(
    name: str, arguments: rest.Arguments, known: Mapping[str, UploadTarget], where: str
) -> UploadTarget:
    """The upload target: as given, or as received when this connection opened the session.

    Raises:
        MissingParameterError: another connection opened the session, and URL or fields are not
            given.
        InvalidValueError: the URL is empty, or the fields are not a JSON object with string values.
    """
    url, fields = arguments.get("upload_url"), arguments.get("upload_fields")
    if url is None and fields is None and name in known:
        return known[name]
    if url is None or fields is None:
        raise rest.MissingParameterError(
            f"{where}: the upload target of {name} is known only to the connection"
            " that opened the session. Get it with INSERT INTO upload_sessions .."
            " RETURNING upload_url, upload_fields, and pass it to"
            f" {where.rpartition('.')[2]}(session, file_name, content, meta,"
            " upload_url, upload_fields). Nothing was sent."
        )
    loaded = rest.load_json(fields, f"{where}: upload_fields")
    texts = isinstance(loaded, dict) and all(isinstance(value, str) for value in loaded.values())
    if not texts or not loaded.get("key"):
        raise rest.refused(
            f"{where}: upload_fields",
            "must be the JSON object returned by RETURNING upload_fields: string values,"
            " including key",
        )
    if not url:
        raise rest.refused(f"{where}: upload_url", "is empty")
    return UploadTarget(str(url), loaded)


def upload_calls(
    target: UploadTarget, arguments: rest.Arguments, where: str
) -> list[rest.RequestSpec]:
    """The POSTs of one file, metadata first, so that it is never ingested without them.

    Raises:
        InvalidValueError: the service would reject the name, the size or the metadata.
    """
    name = stored_name(str(arguments["file_name"]))
    if not name.strip("."):
        raise rest.refused(f"{where}: file_name", "is empty")
    given = arguments["content"]
    content = given if isinstance(given, bytes) else str(given).encode()
    if len(content) > _MOST_BYTES:
        raise rest.refused(
            f"{where}: content",
            f"has {len(content)} bytes, but the service accepts at most 200 MB per file",
        )
    parts = [(name, content)]
    meta = arguments.get("meta")
    if meta is not None:
        parts.insert(0, (name + _META_SUFFIX, _metadata(meta, where)))
    return [_post(target, quote(one, safe=""), data) for one, data in parts]


def _post(target: UploadTarget, wire_name: str, content: bytes) -> rest.RequestSpec:
    """The form's fields, then the file, as the SDK sends them.

    Uploading an object twice has the effect of uploading it once, so the call can be repeated.
    """
    return rest.RequestSpec(
        "POST",
        target=target.url,
        form=rest.MultipartForm(target.fields, "file", wire_name, content, "text/plain"),
        kind=rest.WRITE,
        repeatable=True,
        expects_json=False,
        secrets=tuple(value for name, value in target.fields.items() if name != "key"),
    )


def post_all(posts: list[rest.RequestSpec], session: str, sender: rest.Sender) -> None:
    """Sends the POSTs of one file, one after the other.

    Raises:
        ForbiddenError: the session no longer accepts files, or the form is another session's.
    """
    for call in posts:
        try:
            sender.send(call)
        except rest.ForbiddenError as error:
            told = rest.ForbiddenError(
                f"{error} Files can be uploaded only into an open session. {session} may"
                " be closed or expired, or upload_url and upload_fields may belong to"
                " another session."
            )
            told.status = error.status
            raise told from None


def _metadata(meta: rest.Value, where: str) -> bytes:
    rest.json_object(meta, f"{where}: meta")
    encoded = str(meta).encode()
    if len(encoded) > _MOST_META:
        why = f"has {len(encoded)} bytes, but the service accepts at most {_MOST_META}"
        raise rest.refused(f"{where}: meta", why)
    return encoded
