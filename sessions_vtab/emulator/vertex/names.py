"""Resource names: projects with their numbers, engines, sessions (contract, sections 1 and 3)."""

from __future__ import annotations

import hashlib
import re

_SESSION_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_SESSION_TEXT = re.compile(r"[a-z0-9-]+", re.ASCII)


def project_number(project: str) -> str:
    """Return the number that answers carry for a project, itself if it is a number already.

    The service answers with the project's number whatever the request said; the emulator's number
    is derived from the id, so that both spellings reach the same data.
    """
    if project.isascii() and project.isdigit():
        return project
    digest = hashlib.sha256(project.encode("utf-8", "replace")).digest()
    return str(10**11 + int.from_bytes(digest[:8], "big") % (9 * 10**11))


def valid_session_id(text: str) -> bool:
    """Say whether an id may be given to a new session (section 3)."""
    return _SESSION_ID.fullmatch(text) is not None


def plausible_session_id(text: str) -> bool:
    """Say whether an id has only the characters of session ids; other ids are 400, not 404."""
    return _SESSION_TEXT.fullmatch(text) is not None
