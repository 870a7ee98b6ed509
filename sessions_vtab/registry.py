"""Backends by name, imported when they are first asked for.

A package of its own adds a backend with one line, an entry point::

    [project.entry-points."sessions_vtab.backends"]
    mybackend = "mypackage.backend:MyBackend"

or, in one process, calls ``register``. Entry points are searched only for names that are neither
built in nor registered, so they cannot replace one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from sessions_vtab.errors import ConfigurationError, MissingExtraError, UnknownNameError
from sessions_vtab.spec.backend import Backend
from sessions_vtab.spec.install import install_command, packages_of
from sessions_vtab.spec.near import did_you_mean
from sessions_vtab.spec.scoping import scoped
from sessions_vtab.spec.source import Source
from sessions_vtab.spec.verify import verify

__all__ = ["BUILT_IN", "GROUP", "backend_class", "names", "opened", "register", "url_forms"]

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


def names() -> tuple[str, ...]:
    """Names of all backends, the built-in ones first."""
    others = _registered.keys() | _entry_points().keys()
    return (*BUILT_IN, *sorted(others - BUILT_IN.keys()))


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
        known = names()
        raise UnknownNameError(
            f"There is no backend {name}.{did_you_mean(name, known)} Backends: {', '.join(known)}."
        )
    loaded = _load(name, reference)
    if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
        raise ConfigurationError(
            f"The backend {name} is registered as {reference}, which is not a Backend class."
        )
    return loaded


def url_forms() -> tuple[str, ...]:
    """The usual form of a URL of each built-in backend, for errors."""
    return tuple(url for name in BUILT_IN for url in backend_class(name).urls[:1])


def opened(source: Source) -> Backend:
    """The backend of a source, within its ``scopes``.

    A declaration of another package is verified first.

    Raises:
        ConfigurationError: a setting is wrong, or the backend declares something that is not there.
    """
    kind = source.implementation or backend_class(source.backend)
    backend = kind.open(source)
    if source.backend not in BUILT_IN:
        verify(backend)  # Those of this package are verified by its tests.
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
