"""sqlite_abi.h says what SQLite's own header says: each place, type, constant and layout."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sessions_vtab import extension

_HEADER = Path(extension.__file__).with_name("sqlite_abi.h")
_SYSTEM = Path("/usr/include/sqlite3ext.h")
_COMPILER = next(filter(shutil.which, ("cc", "gcc", "clang")), None)

pytestmark = [
    pytest.mark.skipif(not _HEADER.exists(), reason="the sources are not in an installed package"),
    pytest.mark.skipif(not _SYSTEM.exists(), reason="SQLite's header is missing: libsqlite3-dev"),
    pytest.mark.skipif(_COMPILER is None, reason="there is no C compiler"),
]

_STRUCTURES = {
    "sqlite3_vtab": ("pModule", "nRef", "zErrMsg"),
    "sqlite3_vtab_cursor": ("pVtab",),
    "sqlite3_index_info": (
        *("nConstraint", "aConstraint", "nOrderBy", "aOrderBy", "aConstraintUsage", "idxNum"),
        *("idxStr", "needToFreeIdxStr", "orderByConsumed", "estimatedCost", "estimatedRows"),
        *("idxFlags", "colUsed"),
    ),
    "struct sqlite3_index_constraint": ("iColumn", "op", "usable", "iTermOffset"),
    "struct sqlite3_index_orderby": ("iColumn", "desc"),
    "struct sqlite3_index_constraint_usage": ("argvIndex", "omit"),
    "sqlite3_module": (
        *("iVersion", "xCreate", "xConnect", "xBestIndex", "xDisconnect", "xDestroy", "xOpen"),
        *("xClose", "xFilter", "xNext", "xEof", "xColumn", "xRowid", "xUpdate", "xBegin", "xSync"),
        *("xCommit", "xRollback", "xFindFunction", "xRename", "xSavepoint", "xRelease"),
        "xRollbackTo",
    ),
}


def _compiles(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    source = folder / "check.c"
    source.write_text(text)
    assert _COMPILER is not None
    command = [_COMPILER, "-std=gnu11", *options, f"-I{_HEADER.parent}", str(source)]
    return subprocess.run(
        [*command, "-o", str(folder / "check")], capture_output=True, text=True, check=False
    )


def _constants() -> list[tuple[str, str]]:
    found = re.findall(r"^#define (SQLITE_[A-Z_0-9]+) (\d+)$", _HEADER.read_text(), re.MULTILINE)
    assert len(found) > 20
    return [(name, value) for name, value in found if not name.startswith("SQLITE_ABI")]


def _routines() -> str:
    """Statements that hold if each routine is where the list says, and of that type."""
    return """
#include <stddef.h>
#include <sqlite3ext.h>
#define SQLITE_ABI_ROUTINES_ONLY
#include "sqlite_abi.h"
#define CHECK(since, place, result, name, arguments) \\
  _Static_assert(offsetof(sqlite3_api_routines, name)==(place)*sizeof(void*), #name); \\
  _Static_assert(__builtin_types_compatible_p(__typeof__(((sqlite3_api_routines*)0)->name), \\
                                              result (*) arguments), #name " has another type");
SQLITE_ABI_ROUTINES(CHECK)
"""


def test_every_routine_is_at_its_place_and_of_its_type(tmp_path: Path) -> None:
    checked = _compiles(tmp_path, _routines() + "int main(void){ return 0; }\n")

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [("X(3007000, 67,", "X(3007000, 68,"), ("const char*, libversion,", "char*, libversion,")],
)
def test_a_routine_at_another_place_or_of_another_type_is_found(
    tmp_path: Path, before: str, after: str
) -> None:
    wrong = _HEADER.read_text().replace(before, after)
    assert wrong != _HEADER.read_text()
    (tmp_path / "wrong.h").write_text(wrong)
    text = _routines().replace('"sqlite_abi.h"', f'"{tmp_path}/wrong.h"')

    assert "libversion" in _compiles(tmp_path, text + "int main(void){ return 0; }\n").stderr


def test_every_constant_has_its_value(tmp_path: Path) -> None:
    lines = "\n".join(f'_Static_assert({name}=={value}, "{name}");' for name, value in _constants())

    checked = _compiles(tmp_path, f"#include <sqlite3ext.h>\n{lines}\nint main(void){{return 0;}}")

    assert checked.returncode == 0, checked.stderr


def test_every_structure_has_its_layout(tmp_path: Path) -> None:
    """As the same program prints it over either header. Later modules have more behind."""
    prints = "".join(
        f'printf("{name}.{member} %zu\\n", offsetof({name}, {member}));'
        for name, members in _STRUCTURES.items()
        for member in members
    ) + "".join(
        f'printf("{name} %zu\\n", sizeof({name}));'
        for name in _STRUCTURES
        if name != "sqlite3_module"
    )
    main = f"int main(void){{ {prints} return 0; }}"
    shown = []
    for header in ("<sqlite3ext.h>", '"sqlite_abi.h"'):
        text = f"#include <stddef.h>\n#include <stdio.h>\n#include {header}\n{main}"
        checked = _compiles(tmp_path, text)
        assert checked.returncode == 0, checked.stderr
        shown.append(subprocess.check_output([str(tmp_path / "check")], text=True))

    assert shown[0] == shown[1]
    assert len(shown[0].splitlines()) == sum(map(len, _STRUCTURES.values())) + 6


def test_newer_routines_are_those_that_came_with_sets() -> None:
    """What is not in the oldest version that may load the extension is used behind a check."""
    routines = re.findall(r"X\((\d+), \d+, [^,]+, (\w+),", _HEADER.read_text())
    oldest = int(re.findall(r"SQLITE_ABI_OLDEST (\d+)", _HEADER.read_text())[0])

    newer = {name for since, name in routines if int(since) > oldest}

    sets = {"vtab_in", "vtab_in_first", "vtab_in_next"}
    assert newer == {*sets, "vtab_distinct", "vtab_rhs_value"}
    assert len(routines) > 35
