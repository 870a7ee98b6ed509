"""The command line: ``sessions-vtab`` and ``python -m sessions_vtab``.

* `arguments`: what can be asked for
* `commands`: run, query, explain, sources, snapshot, mcp, help, completion,
  new-backend, emulator
* `shell`: the interactive shell, APSW's with commands of our own: `shell_commands`, `settings`;
  `habits`: what users of other shells type
* `execution`: running one statement, and those of a text
* `display`, `formats`: rows, values and errors as text; `streams`, `terminal`: where that text goes
* `readings`, `explain`: what a statement will do, and which rule decided it
* `help`, `pages`: the reference, whose topics are documents in ``docs/help``
* `sources`, `tables`: sources and tables as the shell shows them
* `copies`: commands that write a file: snapshots, reports, and the extension's catalog
* `skeleton`: the package of a new backend

Start-up is most of what ``query "select 1"`` takes, so modules are imported when they are needed;
here nothing is before Ctrl-C is taken care of.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        argv: the arguments, without the program's name; those of the process unless given.

    Returns:
        The exit status: 0 if every statement succeeded, 1 if one failed, 2 for arguments or a
        configuration that cannot be used, 130 after Ctrl-C, 141 if the reader of the output left.
    """
    try:
        from sessions_vtab.cli.commands import run  # noqa: PLC0415

        status = run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        # Where it came while a text was executed, as when a dataclass is made, ``python -m`` would
        # end by the signal instead of with our status. The next text makes it forget that.
        exec("")  # noqa: S102
        print(" ".join(("Interrupted.", *getattr(error, "__notes__", ()))), file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit: https://docs.python.org/3/library/signal.html
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return status
