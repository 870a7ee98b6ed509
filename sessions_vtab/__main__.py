"""``python -m sessions_vtab``: the command line."""

from __future__ import annotations

import sys

from sessions_vtab.cli import main

if __name__ == "__main__":
    sys.exit(main())
