"""Settings that every source has: their types, the names SQL accepts, and what is refused.

Settings arrive as text from a URL or typed from TOML; both are accepted for each key. Here is also
where a user's files are: the configuration, the store, what was typed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn

from sessions_vtab.errors import ConfigurationError, CredentialError, did_you_mean

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# Words SQLite does not take as an unquoted schema name, and the words of joins, which read badly
# there (https://sqlite.org/lang_keywords.html; the tests try every keyword).
_RESERVED: Final = frozenset(
    re.findall(
        r"\w+",
        """
    add all alter and as autoincrement between case cast check collate commit constraint create
    current_date current_time current_timestamp default deferrable delete distinct drop else escape
    except exists foreign from group having if in index insert intersect into is isnull join limit
    not nothing notnull null on or order primary raise references returning select set table then to
    transaction union unique update using values when where
    cross full indexed inner left natural outer right
    """,
    )
)
_SCHEMAS: Final = frozenset(("main", "temp"))

_RATE_CLASSES: Final = ("read", "write", "append")
# Words for a switch, in lower case.
TRUE: Final = frozenset(("1", "true", "yes", "on"))
FALSE: Final = frozenset(("0", "false", "no", "off"))
MOST_CONCURRENT: Final = 256
"""Requests in flight at once, at most."""

_SECRET_KEY: Final = re.compile(
    r"(?:(?:key|token|passw(?:or)?d|pwd|secret|credential)s?|bearer|authorization)$",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(r"_(?:env|file)$", re.IGNORECASE)

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_HINT: Final = (
    "Secrets are referenced, not written: api_key_env names an environment variable,"
    " api_key_file names a file."
)

# Tables whose keys are names of columns or routes, of which some end in "token" or "key".
_NAMED_BY_COLUMN: Final = frozenset(("fields", "routes", "views"))


@functools.cache
def _credential() -> re.Pattern[str]:
    """What credentials look like.

    A URL with user information or with a key in its query, an Authorization header, Google API keys
    and tokens, JSON web tokens, private keys. Compiled when a value has to be judged: most starts
    have none.
    """
    return re.compile(
        r"""
        ^[a-z][a-z0-9+.-]*://[^/?\#\s]*@
        | [?&][^=&]*(?:key|token|password|secret)=
        | ^(?:bearer|basic)\s
        | AIza[0-9A-Za-z_-]{30} | \bya29\. | \beyJ[\w-]+\.eyJ
        | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY
        """,
        re.IGNORECASE | re.VERBOSE,
    )


def check_identifier(name: str, where: str) -> str:
    """The name, if SQL takes it unquoted; raises ConfigurationError naming ``where``."""
    if not _IDENTIFIER.fullmatch(name):
        _fail(
            where,
            f"{name!r:.60} is not a valid name. Use letters, digits and _, and do"
            " not start with a digit.",
        )
    if name.lower() in _RESERVED or name.lower().startswith("sqlite_"):
        _fail(where, f"the name {name} is reserved by SQLite; choose another.")
    return name


def check_source_name(name: str, where: str) -> str:
    """The name, if a source can have it; raises ConfigurationError naming ``where``."""
    if name.lower() in _SCHEMAS:
        _fail(where, f"the name {name} is a built-in schema of SQLite; choose another.")
    return check_identifier(name, where)


def refuse_secrets(settings: Mapping[str, Any], where: str) -> None:
    """Raises CredentialError, without the value, if a setting is or holds a secret.

    A setting whose name ends in ``_env`` has to hold the name of an environment variable.
    """
    for key, value in settings.items():
        _refuse_secret(key, value, f"{where}: {key}")


def _refuse_secret(key: str, value: Any, what: str) -> None:
    if isinstance(value, Mapping):
        for inner, held in value.items():
            _refuse_secret("" if key in _NAMED_BY_COLUMN else inner, held, f"{what}.{inner}")
    elif isinstance(value, list | tuple):
        for held in value:
            _refuse_secret(key, held, what)
    elif _SECRET_KEY.search(key):
        raise CredentialError(
            f"{what} must not hold a secret; its value is not shown here. {_HINT}"
        )
    elif isinstance(value, str):
        _refuse_secret_text(key, value, what)


def _refuse_secret_text(key: str, value: str, what: str) -> None:
    if _credential().search(value):
        raise CredentialError(f"{what} looks like a credential; its value is not shown. {_HINT}")
    if key.lower().endswith("_env") and not _IDENTIFIER.fullmatch(value):
        raise CredentialError(
            f"{what} must be the name of an environment variable. The given value is not one,"
            " and is not shown, because it may be the secret itself."
        )
    if _CONTROL.search(value):
        raise ConfigurationError(f"{what} contains a control character.")


def _flag(value: Any, what: str) -> bool:
    text = str(value).lower()
    if text in TRUE | FALSE:
        return text in TRUE
    raise _wrong(what, "true or false", value)


def whole(value: Any, what: str, least: int, most: int | None = None) -> int:
    """A whole number between limits, from text or as it is; ``what`` it is, for the error.

    Raises:
        ConfigurationError: it is not one.
    """
    if isinstance(value, str) and re.fullmatch(r"\d{1,15}", value, re.ASCII):
        value = int(value)
    if type(value) is int and value >= least and (most is None or value <= most):
        return value
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise _wrong(what, f"a whole number {limits}", value)


def _seconds(value: Any, what: str) -> float:
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    raise _wrong(what, "a number of seconds", value)


def _positive_seconds(value: Any, what: str) -> float:
    seconds = _seconds(value, what)
    if seconds == 0:
        raise _wrong(what, "more than 0 seconds", value)
    return seconds


def _scopes(value: Any, what: str) -> Mapping[str, tuple[str, ...]]:
    """Values by scope column; that the backend has such columns is checked when it is opened."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{what} must be a table: {what.rpartition(' ')[2]}.project=..")
    return MappingProxyType({key: _texts(held, f"{what}.{key}") for key, held in value.items()})


def _rates(value: Any, what: str) -> Mapping[str, int]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{what} must be a table: {what.rpartition(' ')[2]}.read=..")
    for key in value:
        if key not in _RATE_CLASSES:
            _fail(
                what,
                f"{key!r:.40} is not a valid key.{did_you_mean(key, _RATE_CLASSES)} Valid keys:"
                f" {', '.join(_RATE_CLASSES)}.",
            )
    return MappingProxyType({key: whole(held, f"{what}.{key}", 1) for key, held in value.items()})


def _texts(value: Any, what: str) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if isinstance(items, list | tuple) and all(isinstance(item, str) and item for item in items):
        return tuple(items)
    raise _wrong(what, "an array of texts (in a URL, texts separated by commas)", value)


_FOLDERS: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("config", "win32"): ("APPDATA", "AppData/Roaming"),
    ("config", "darwin"): ("XDG_CONFIG_HOME", "Library/Application Support"),
    ("config", ""): ("XDG_CONFIG_HOME", ".config"),
    ("data", "win32"): ("LOCALAPPDATA", "AppData/Local"),
    ("data", "darwin"): ("", "Library/Application Support"),
    ("data", ""): ("XDG_DATA_HOME", ".local/share"),
    ("state", "win32"): ("LOCALAPPDATA", "AppData/Local"),
    ("state", ""): ("XDG_STATE_HOME", ".local/state"),
}
"""Environment variable, and folder below the home folder, by kind and platform ('' for others)."""


def user_folder(
    kind: Literal["config", "data", "state"],
    environment: Mapping[str, str],
    platform: str,
    home: Path | None = None,
) -> Path:
    """Our folder among a user's, whether or not it exists; ``home`` is looked up if it is needed.

    Raises:
        RuntimeError: it is needed, and the system has none.
    """
    variable, usual = _FOLDERS.get((kind, platform), _FOLDERS[kind, ""])
    chosen = environment.get(variable, "")
    # A relative path there is to be ignored: the XDG Base Directory Specification, "Environment".
    if not (chosen and (platform == "win32" or Path(chosen).is_absolute())):
        return (home or Path.home()) / usual / "sessions-vtab"
    return Path(chosen) / "sessions-vtab"


GENERIC: Final[Mapping[str, Callable[[Any, str], Any]]] = MappingProxyType(
    {
        "read_only": _flag,
        "max_writes": lambda value, what: whole(value, what, 0),
        "max_requests": lambda value, what: whole(value, what, 0),
        "scopes": _scopes,
        "cache_ttl": _seconds,
        "rate_limit": _rates,
        "timeout": _positive_seconds,
        "concurrency": lambda value, what: whole(value, what, 1, MOST_CONCURRENT),
        "max_response_mb": lambda value, what: whole(value, what, 1),
    }
)
"""Settings of every source: key to a function that checks and converts its value."""


def _wrong(what: str, takes: str, value: Any) -> ConfigurationError:
    return ConfigurationError(f"{what} must be {takes}, not {value!r:.40}.")


def _fail(where: str, message: str) -> NoReturn:
    raise ConfigurationError(f"{where}: {message}")
