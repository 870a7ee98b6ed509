"""What SQLite's errors mean: "did you mean", where in the statement, and which names there are.

Made once, for every interface: ``cursor`` puts it into the exception's text, from where DB-API,
SQLAlchemy, notebooks and agents have it; the command line prints it in a form of its own.

* `names`: what a connection knows by name, and which of it a statement speaks of
* `registered`: the same for cursors of a connection of the user's own
* `problem`: SQLite's message as a problem, its place in the statement, and the text of both
"""

from __future__ import annotations

from sessions_vtab.hints.names import Connected, Mention, Names, mentions, names_of
from sessions_vtab.hints.problem import Problem, explained, line_at, place_of, problem
from sessions_vtab.hints.registered import Registered, add_hints, hint

__all__ = [
    "Connected",
    "Mention",
    "Names",
    "Problem",
    "Registered",
    "add_hints",
    "explained",
    "hint",
    "line_at",
    "mentions",
    "names_of",
    "place_of",
    "problem",
]
