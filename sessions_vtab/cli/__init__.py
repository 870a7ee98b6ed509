"""The command line: ``sessions-vtab`` and ``python -m sessions_vtab``.

* `arguments`, `options`: what can be asked for
* `commands`: run, query, explain, sources, snapshot, mcp, help, completion,
  new-backend, emulator
* `shell`: the interactive shell, APSW's with commands of our own: `shell_commands`, `settings`;
  `habits`: what users of other shells type
* `session`, `execution`: the statements of a text, and running one
* `display`, `formats`: rows, values and errors as text; `streams`: where that text goes
* `readings`, `explain`: what a statement will do, and which rule decided it
* `help`, `pages`: the reference, whose topics are documents in ``docs/help``
* `sources`, `tables`: sources and tables as the shell shows them
* `copies`: snapshots and reports; `extension`: a command of its own
* `skeleton`: the package of a new backend

Start-up is most of what ``query "select 1"`` takes, so modules are imported when they are needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from sessions_vtab.errors import SessionsError, notes_of

__all__ = ["main"]

_USAGE = 2
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
    from sessions_vtab.cli.arguments import parse  # noqa: PLC0415
    from sessions_vtab.cli.commands import dispatch  # noqa: PLC0415
    from sessions_vtab.cli.streams import require_text, use_utf8, write_whole  # noqa: PLC0415

    arguments = sys.argv[1:] if argv is None else list(argv)
    use_utf8()
    write_whole()
    try:
        require_text(arguments)
        status = dispatch(parse(arguments))
        sys.stdout.flush()
    except SessionsError as error:
        from sessions_vtab.cli.display import escaped  # noqa: PLC0415

        print(f"Error: {escaped(str(error))}", file=sys.stderr)
        return _USAGE
    except KeyboardInterrupt as error:
        print(" ".join(("Interrupted.", *notes_of(error))), file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit: https://docs.python.org/3/library/signal.html
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return status
