"""Statement text: read, renumbered, spliced. Pure functions from text to text.

Each module imports only those before it. From tokens alone: ``lexer`` (SQLite's tokens), ``shapes``
(matching brackets, the clauses of a SELECT), ``splice`` (edits of a text), ``parameters``,
``column_names``, ``targets`` (what is changed, conflicts), ``returning``, ``effects``. What names
and plans are: ``catalog``, ``plans``, ``names``. With sqlglot, imported only when a statement names
one of our tables: ``masked`` (text that it can read), ``conditions``, ``occurrences``, ``source``,
``pushing``, ``leads``, ``analysis``, ``carrier``. All of it for one statement, remembered:
``front_door``. Another dialect: ``stackql``. A condition alone, without a statement:
``expression``.
"""

from __future__ import annotations
