"""Backends by name, imported when they are first asked for.

A package of its own adds a backend with one line, an entry point::

    [project.entry-points."sessions_vtab.backends"]
    mybackend = "mypackage.backend:MyBackend"

Entry points are searched only for names that are not built in, so they cannot replace one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from sessions_vtab.errors import ConfigurationError, MissingExtraError, UnknownNameError
from sessions_vtab.spec.backend import Backend
from sessions_vtab.spec.near import did_you_mean

__all__ = ["BUILT_IN", "GROUP", "backend_class", "names"]

GROUP: Final = "sessions_vtab.backends"
"""The entry-point group of backends that other packages add."""

BUILT_IN: Final[Mapping[str, str]] = {
    "local": "sessions_vtab.backends.local:LocalBackend",
    "vertex": "sessions_vtab.backends.vertex:VertexBackend",
    "deepset": "sessions_vtab.backends.deepset:DeepsetBackend",
    "whylabs": "sessions_vtab.backends.whylabs:WhylabsBackend",
    "eleanor": "sessions_vtab.backends.eleanor:EleanorBackend",
    "embedding_studio": "sessions_vtab.backends.embedding_studio:EmbeddingStudioBackend",
}
"""Backend name to ``module:class``."""


def names() -> tuple[str, ...]:
    """Names of all backends, the built-in ones first."""
    return (*BUILT_IN, *sorted(_entry_points().keys() - BUILT_IN.keys()))


def backend_class(name: str) -> type[Backend]:
    """The class of a backend.

    Raises:
        UnknownNameError: there is no such backend; the message lists those that exist.
        MissingExtraError: it needs a package that is not installed.
        ConfigurationError: what is registered under the name cannot be loaded, or is not a
            Backend class.
    """
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
    install = f"'sessions_vtab[{name}]'" if name in BUILT_IN else absent
    return MissingExtraError(
        f"The backend {name} needs the package {absent}: pip install {install}"
    )
