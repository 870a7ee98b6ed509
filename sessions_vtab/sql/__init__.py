"""Statement text: read, renumbered, spliced. Pure functions from text to text.

Layers, each importing only those before it: ``lexer`` (SQLite's tokens), ``shapes`` (matching
brackets, the clauses of a SELECT), ``splice`` (edits of a text), ``parameters``, ``headings``,
``conflict``, ``returning``, ``effects`` (all from tokens alone), ``catalog`` (what names mean),
``names``, ``conditions``, ``analysis`` (with sqlglot, imported only when a statement names one of
our tables), ``front_door`` (all of it for one statement, cached), ``stackql`` (another dialect).
"""

from __future__ import annotations
