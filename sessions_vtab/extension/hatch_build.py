"""The build hook: the loadable extension in the wheel, or why it is not there.

One wheel serves every Python 3 of a platform, since the extension is not a Python module. Without
a C compiler the wheel is pure, and ``sessions-vtab extension`` says the reason. An editable
installation has the library beside its sources.
"""

from __future__ import annotations

import importlib.util
import os
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDER: Final = "sessions_vtab/extension"
_REASON: Final = "not_built.txt"


class ExtensionHook(BuildHookInterface[Any]):
    """``[tool.hatch.build.targets.wheel.hooks.custom]``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the extension to what is built, if it can be compiled.

        Raises:
            RuntimeError: it cannot, and the environment says that it is required.
        """
        compiling = _beside("compiling")
        editable = version == "editable"
        self._scratch = tempfile.TemporaryDirectory()
        folder = Path(self.root, _FOLDER) if editable else Path(self._scratch.name)
        library = folder / compiling.FILE_NAME
        problem = compiling.compile_library(library)
        if problem:
            if os.environ.get(compiling.REQUIRED) == "required":
                raise RuntimeError(f"The SQLite extension cannot be built: {problem}.")
            self.app.display_warning(f"Built without the SQLite extension: {problem}.")
            library = folder / _REASON
        if editable:
            return
        if problem:
            library.write_text(f"{problem}\n", "utf-8")
        else:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][str(library)] = f"{_FOLDER}/{library.name}"

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact: str) -> None:
        """Removes what the wheel has a copy of."""
        self._scratch.cleanup()


def _beside(name: str) -> Any:
    """A module in this folder: the package it belongs to is not installed yet."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
