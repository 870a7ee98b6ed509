"""``upload_file``: one file through the presigned form of an upload session."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from sessions_vtab.backends.deepset import calls
from sessions_vtab.backends.deepset.names import SessionRef
from sessions_vtab.backends.deepset.wire import Target
from sessions_vtab.contract.backend import Arguments
from sessions_vtab.contract.values import load_json
from sessions_vtab.errors import ForbiddenError, InvalidValueError, MissingParameterError
from sessions_vtab.fetch import Call, Line

__all__ = ["META_SUFFIX", "post_all", "stored_name", "target_for", "upload_calls"]

META_SUFFIX = ".meta.json"

# Limits of the service (docs.cloud.deepset.ai, "Upload Files").
_MOST_BYTES = 200 * 1024 * 1024
_MOST_META = 32_766

# deepset-cloud-sdk 1.7.8 replaces these with an underscore before it encodes a name. It does not
# replace U+007F, which it then cannot send.
_UNSAFE = re.compile(r"[\\#%\"'|<>{}\[\]`^~\x00-\x1f\x7f]")


def stored_name(file_name: str) -> str:
    """Returns the name under which the SDK would store a file."""
    return _UNSAFE.sub("_", file_name)


def target_for(
    session: SessionRef, arguments: Arguments, known: Mapping[str, Target], where: str
) -> Target:
    """Returns the upload target: as given, or as received when this connection opened the session.

    Raises:
        MissingParameterError: another connection opened the session, and URL or fields are not
            given.
        InvalidValueError: the URL is empty, or the fields are not a JSON object with string values.
    """
    url, fields = arguments.get("upload_url"), arguments.get("upload_fields")
    if url is None and fields is None and session.name in known:
        return known[session.name]
    if url is None or fields is None:
        raise MissingParameterError(
            f"{where}: the upload target of {session.name} is known only to the connection"
            " that opened the session. Get it with INSERT INTO upload_sessions .."
            " RETURNING upload_url, upload_fields, and pass it to"
            f" {where.rpartition('.')[2]}(session, file_name, content, meta,"
            " upload_url, upload_fields). Nothing was sent."
        )
    loaded = load_json(fields, f"{where}: upload_fields")
    texts = isinstance(loaded, dict) and all(isinstance(value, str) for value in loaded.values())
    if not texts or not loaded.get("key"):
        raise InvalidValueError(
            f"{where}: upload_fields must be the JSON object returned by RETURNING"
            " upload_fields: string values, including key. Nothing was sent."
        )
    if not url:
        raise InvalidValueError(f"{where}: upload_url is empty. Nothing was sent.")
    return Target(str(url), loaded)


def upload_calls(target: Target, arguments: Arguments, where: str) -> list[Call]:
    """Returns the POSTs of one file, metadata first, so that it is never ingested without them.

    Raises:
        InvalidValueError: the service would reject the name, the size or the metadata.
    """
    name = stored_name(str(arguments["file_name"]))
    if not name.strip("."):
        raise InvalidValueError(f"{where}: file_name is empty. Nothing was sent.")
    content = _bytes(arguments["content"])
    if len(content) > _MOST_BYTES:
        raise InvalidValueError(
            f"{where}: content has {len(content)} bytes, but the service accepts at most 200"
            " MB per file. Nothing was sent."
        )
    parts = [(name, content)]
    meta = arguments.get("meta")
    if meta is not None:
        parts.insert(0, (name + META_SUFFIX, _metadata(meta, where)))
    return [
        calls.post_file(target.url, target.fields, quote(one, safe=""), data) for one, data in parts
    ]


def post_all(posts: list[Call], session: SessionRef, line: Line) -> None:
    """Sends the POSTs of one file, one after the other.

    Raises:
        ForbiddenError: the session no longer accepts files, or the form is another session's.
    """
    for call in posts:
        try:
            line.send(call)
        except ForbiddenError as error:
            told = ForbiddenError(
                f"{error} Files can be uploaded only into an open session. {session.name} may"
                " be closed or expired, or upload_url and upload_fields may belong to"
                " another session."
            )
            told.status = error.status
            raise told from None


def _bytes(content: object) -> bytes:
    return content if isinstance(content, bytes) else str(content).encode()


def _metadata(meta: object, where: str) -> bytes:
    text = str(meta)
    if not isinstance(load_json(text, f"{where}: meta"), dict):
        raise InvalidValueError(f"{where}: meta must be a JSON object. Nothing was sent.")
    encoded = text.encode()
    if len(encoded) > _MOST_META:
        raise InvalidValueError(
            f"{where}: meta has {len(encoded)} bytes, but the service accepts at most"
            f" {_MOST_META}. Nothing was sent."
        )
    return encoded
