"""Backends by name, imported when they are first asked for.

A package of its own adds a backend with one line, an entry point::

    [project.entry-points."sessions_vtab.backends"]
    mybackend = "mypackage.backend:MyBackend"

or, in one process, calls ``register``. Entry points are searched only for names that are neither
built in nor registered, so they cannot replace one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from sessions_vtab.contract.backend import Backend, Source
from sessions_vtab.contract.scoping import scoped
from sessions_vtab.contract.verify import CHECKED, verify, with_checked_rows
from sessions_vtab.errors import (
    ConfigurationError,
    MissingExtraError,
    UnknownNameError,
    did_you_mean,
    install_command,
    packages_of,
)

GROUP: Final = "sessions_vtab.backends"
"""The entry-point group of backends that other packages add."""

BUILT_IN: Final[Mapping[str, str]] = {
    "local": "sessions_vtab.backends.local:LocalBackend",
    "vertex": "sessions_vtab.backends.vertex:VertexBackend",
    "deepset": "sessions_vtab.backends.deepset:DeepsetBackend",
    "whylabs": "sessions_vtab.backends.whylabs:WhylabsBackend",
    "eleanor": "sessions_vtab.backends.eleanor:EleanorBackend",
    "embedding_studio": "sessions_vtab.backends.embedding_studio:EmbeddingStudioBackend",
    "adk_api": "sessions_vtab.backends.adk_api:AdkApiBackend",
    "adk": "sessions_vtab.backends.adk:AdkBackend",
}
"""Backend name to ``module:class``."""


_registered: dict[str, type[Backend]] = {}


def register(name: str, backend: type[Backend]) -> None:
    """Makes a backend of this process known by a name, as an entry point does for all.

    A name that was registered before gets the new class, as when a notebook's cell runs again.

    Raises:
        ConfigurationError: the class is not a ``Backend``, or the name is built in.
    """
    if not (isinstance(backend, type) and issubclass(backend, Backend)):
        raise ConfigurationError(f"{backend!r:.80} is not a Backend class.")
    if name in BUILT_IN:
        raise ConfigurationError(f"The backend {name} is built in; choose another name.")
    _registered[name] = backend
    if find_spec("sqlalchemy") is not None:
        from sqlalchemy.dialects import registry as dialects  # noqa: PLC0415  # An extra, and slow.

        # ``sessions+NAME://`` becomes a URL: SQLAlchemy knows dialects by their full names.
        dialects.register(f"sessions.{name}", "sessions_vtab.sqlalchemy", "SessionsDialect")


def names() -> tuple[str, ...]:
    """Names of all backends, the built-in ones first."""
    others = _registered.keys() | _entry_points().keys()
    return (*BUILT_IN, *sorted(others - BUILT_IN.keys()))


def meant(name: str) -> str:
    """What was probably meant by the name of an unknown backend, and which there are."""
    known = names()
    # The address of a service, such as its documentation has it.
    address = " The address of a service is a setting, as in whylabs://?base_url=https://HOST."
    hint = address if name.lower() in {"http", "https"} else did_you_mean(name, known)
    return f"{hint} Backends: {', '.join(known)}."


def backend_class(name: str) -> type[Backend]:
    """The class of a backend.

    Raises:
        UnknownNameError: there is no such backend; the message lists those that exist.
        MissingExtraError: it needs a package that is not installed.
        ConfigurationError: what is registered under the name cannot be loaded, or is not a
            Backend class.
    """
    if name in _registered:
        return _registered[name]
    reference = BUILT_IN.get(name) or _entry_points().get(name)
    if reference is None:
        raise UnknownNameError(f"There is no backend {name}.{meant(name)}")
    loaded = _load(name, reference)
    if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
        raise ConfigurationError(
            f"The backend {name} is registered as {reference}, which is not a Backend class."
        )
    return loaded


def opened(source: Source) -> Backend:
    """The backend of a source, within its ``scopes``.

    A declaration of another package is verified first.

    Raises:
        ConfigurationError: a setting is wrong, or the backend declares something that is not there.
        MissingExtraError: it needs a package that is not installed.
    """
    try:
        return _opened(source)
    except (ConfigurationError, MissingExtraError, UnknownNameError) as error:
        if source.name in str(error).partition(":")[0]:
            raise
        raise type(error)(f"Source {source.name}: {error}") from error


def _opened(source: Source) -> Backend:
    kind = source.implementation or backend_class(source.backend)
    backend = kind.open(source)
    if source.backend not in BUILT_IN:
        verify(backend)  # Those of this package are verified by its tests.
    if os.environ.get(CHECKED, "0") not in {"", "0"}:
        backend = with_checked_rows(backend)
    return scoped(backend, source)


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points  # noqa: PLC0415  # Slow, and rarely needed.

    return {point.name: point.value for point in entry_points(group=GROUP)}


def _load(name: str, reference: str) -> object:
    path, _, attribute = reference.partition(":")
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        raise _missing(name, path, error.name or "") from error
    if not hasattr(module, attribute):
        raise ConfigurationError(
            f"The backend {name} is registered as {reference}, which does not exist."
        )
    return getattr(module, attribute)


def _missing(name: str, module: str, absent: str) -> ConfigurationError:
    """The backend's own module is absent, or a package that the module imports."""
    if module == absent or module.startswith(f"{absent}."):
        return ConfigurationError(f"The backend {name} is not part of this installation.")
    packages = packages_of(name) if name in BUILT_IN else (absent,)
    return MissingExtraError(
        f"The backend {name} needs the package {absent}. Run: {install_command(*packages)}"
    )
