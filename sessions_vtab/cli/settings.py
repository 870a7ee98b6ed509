"""How the shell writes rows and where to: ``.mode``, ``.output``, ``.pager`` and their kin.

A command's docstring is its help; see ``shell``.
"""

# mypy: allow-untyped-calls
# ruff: noqa: D403, D415  # APSW reads a command's help from its docstring: "name ARGUMENTS: what".

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import apsw.shell

from sessions_vtab.cli.display import Style, escaped, is_terminal, moves_cursor, style_for
from sessions_vtab.cli.formats import AUTO, FORMATS, NOTES, SQLITE_MODES, laid_out
from sessions_vtab.cli.streams import output
from sessions_vtab.cli.terminal import default_pager, fitted, show
from sessions_vtab.errors import did_you_mean
from sessions_vtab.settings import FALSE, TRUE


class ShellSettings(apsw.shell.Shell):
    """The part of the shell that knows how rows are written.

    Attributes:
        eqp: whether each statement is explained before it runs.
        stats: whether the requests of each statement are listed after it.
    """

    def _settle(self) -> None:
        """Sets what a new shell starts with: a table on a terminal, csv elsewhere."""
        self._mode = AUTO if is_terminal(self._original_stdout) else "csv"
        self._null: str | None = None
        self._insert_into = "table"
        self._pager = default_pager(self._original_stdout) if self.interactive else None
        self._files = ExitStack()
        self._once = False
        self._told: set[str] = set()
        self._untold: list[str] = []
        self.header = True
        self.eqp = self.stats = False
        if os.environ.get("NO_COLOR") or not moves_cursor(self._original_stdout):
            self.command_colour(["off"])

    # Rows

    def _print(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterable[str]:
        """Rows as text in the output mode."""
        style = style_for(
            self.stdout,
            Style(self.header, self._null, self.separator, self._insert_into, widths=self.widths),
        )
        return laid_out(self._mode, columns, rows, style, self._untold.append)

    def _emit(self, pieces: Iterable[str]) -> float:
        """Writes text to where output goes; what is long on a terminal, by the pager.

        Returns:
            Seconds that the user went on reading when all was there.
        """
        safe = map(escaped, pieces) if is_terminal(self.stdout) else pieces
        if self._pager is not None and self.stdout is self._original_stdout:
            return show(safe, self._pager, self.stdout.write)
        for piece in safe:
            self.write(self.stdout, piece)
        return 0.0

    def _explain_rows(self) -> None:
        """Says once, after the rows, how they are shown."""
        to_terminal = self.interactive and self.stdout is self._original_stdout
        for what in self._untold if to_terminal else ():
            if what not in self._told:
                self._told.add(what)
                self._note(NOTES[what].format(".mode"))
        self._untold.clear()

    def _note(self, text: str) -> None:
        """Tells the user something that is not data: never into a file or a pipe."""
        stream = self._original_stdout if is_terminal(self._original_stdout) else self.stderr
        self.write(stream, (fitted(text) if is_terminal(stream) else text) + "\n")

    # Where output goes

    def command_output(self, cmd: Sequence[str]) -> None:
        """output ?FILE|stdout?: Sends output to FILE until the next .output

        A FILE that begins with | is a command that reads the output.
        """
        self._end_output()
        name = " ".join(cmd)
        if name in {"", "stdout", "off"}:
            return
        if name.startswith("|"):
            process = self._files.enter_context(
                subprocess.Popen(  # noqa: S602  # The user's own command.
                    name[1:], shell=True, stdin=subprocess.PIPE, encoding="utf-8"
                )
            )
            self.stdout = process.stdin
        else:
            self.stdout = self._files.enter_context(
                Path(name)
                .expanduser()
                .open("w", encoding=self.encoding[0], errors=self.encoding[1], newline="")
            )
        self._out_colour()

    def command_once(self, cmd: Sequence[str]) -> None:
        """once FILE: Sends the output of the next statement to FILE

        The file appears when the statement has succeeded.
        """
        if not cmd or cmd[0].startswith("-"):
            raise self.Error(".once requires the name of a file, such as .once result.csv")
        self._end_output()
        if cmd[0].startswith("|"):
            self.command_output(cmd)
        else:
            self.stdout = self._files.enter_context(output(str(Path(" ".join(cmd)).expanduser())))
            self._out_colour()
        self._once = True

    def _end_once(self, error: BaseException | None = None) -> None:
        """Ends what ``.once`` began; after an error the file stays as it was."""
        if self._once:
            self._end_output(error)

    def _end_output(self, error: BaseException | None = None) -> None:
        """Closes a file or a pipe that output went to."""
        self.stdout.flush()
        files, self._files = self._files, ExitStack()
        self._once, self.stdout = False, self._original_stdout
        self._out_colour()
        files.__exit__(type(error) if error else None, error, None)

    # How rows are written

    def command_mode(self, cmd: Sequence[str]) -> None:
        """mode ?MODE? ?TABLE?: Shows or sets how rows are written

        MODE is auto (box, or line where a row does not fit), box, table, column, line, list,
        csv, tabs, json, jsonl, html, insert, markdown or quote. TABLE is for insert.
        """
        if not cmd:
            self.write(self.stdout, f"current output mode: {self._mode_name()}\n")
            return
        name, *rest = cmd
        if name not in SQLITE_MODES:
            modes = ", ".join(SQLITE_MODES)
            meant = did_you_mean(name, SQLITE_MODES)
            raise self.Error(f"{name} is not an output mode.{meant} Modes: {modes}.")
        if len(rest) > (name == "insert"):
            raise self.Error(f".mode {name} has no further arguments")
        self._mode = SQLITE_MODES[name]
        self._insert_into = rest[0] if rest else "table"

    def _mode_name(self) -> str:
        """The mode by the name it has in this shell."""
        return next(name for name, form in SQLITE_MODES.items() if form == self._mode)

    def _calculate_output_modes(self) -> None:
        # What .help .mode lists; the base class would list its own modes.
        self._output_modes = sorted(SQLITE_MODES)
        self._output_modes_detail = [
            f"{name}: {(FORMATS[form].__doc__ or '').partition(chr(10))[0]}"
            for name, form in SQLITE_MODES.items()
            if form != AUTO
        ]

    def command_header(self, cmd: Sequence[str]) -> None:
        """header(s) ON|OFF: Names the columns in output (default ON)"""
        self.header = self._boolean_command("header", cmd)

    command_headers = command_header

    def command_nullvalue(self, cmd: Sequence[str]) -> None:
        """nullvalue ?STRING?: Writes STRING in place of NULL

        Without STRING each mode has its own text again.
        """
        if len(cmd) > 1:
            raise self.Error(".nullvalue requires one text")
        self._null = self.fixup_backslashes(cmd[0]) if cmd else None

    def command_width(self, cmd: Sequence[str]) -> None:
        """width ?NUM? ...: Sets the widths of columns in tables; 0 for as wide as needed"""
        if not all(word.lstrip("-").isdecimal() for word in cmd):
            raise self.Error(".width requires whole numbers")
        self.widths = [int(word) for word in cmd]

    def command_pager(self, cmd: Sequence[str]) -> None:
        """pager ?on|off|COMMAND?: Shows or sets the program that shows long results

        It starts as $PAGER, else as less.
        """
        name = " ".join(cmd)
        if name.lower() in FALSE:
            self._pager = None
        elif name.lower() in TRUE:
            self._pager = default_pager(self._original_stdout) or "more"
        elif name:
            self._pager = name
        self._note(f"pager: {self._pager or 'off'}")

    def command_eqp(self, cmd: Sequence[str]) -> None:
        """eqp ON|OFF: Explains each query before it runs (default OFF)"""
        self.eqp = self._boolean_command("eqp", cmd)

    def command_stats(self, cmd: Sequence[str]) -> None:
        """stats ON|OFF: Lists the requests of each statement after it (default OFF)"""
        self.stats = self._boolean_command("stats", cmd)

    def command_show(self, cmd: Sequence[str]) -> None:
        """show: Shows the values of the settings"""
        if cmd:
            raise self.Error(".show has no arguments")
        null = "each mode's own" if self._null is None else repr(self._null)
        values = {
            **{name: "on" if getattr(self, name) else "off" for name in _SWITCHES},
            "mode": self._mode_name(),
            "nullvalue": null,
            "output": getattr(self.stdout, "name", "stdout"),
            "pager": self._pager or "off",
            "separator": repr(self.separator),
            "width": " ".join(map(str, self.widths)),
        }
        for name, value in values.items():
            self.write(self.stdout, f"{name.rjust(10)}: {value}".rstrip() + "\n")

    def _boolean_command(self, name: str, cmd: Sequence[str]) -> bool:
        """The value of a switch, in the forms that the sqlite3 shell has."""
        word = cmd[0].lower() if len(cmd) == 1 else ""
        if word not in TRUE | FALSE:
            raise self.Error(f".{name} must be on or off")
        return word in TRUE


_SWITCHES: Final = ("bail", "changes", "echo", "eqp", "header", "stats", "timer")
