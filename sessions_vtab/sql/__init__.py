"""Statement text: read, renumbered, spliced. Pure functions from text to text.

From tokens alone: ``lexer`` (SQLite's tokens, and edits of a text), ``shapes`` (matching brackets,
the clauses of a SELECT), ``parameters``, ``targets`` (what is changed, conflicts), ``returning``,
``effects``. What names and plans are: ``names``, ``plans``. With sqlglot, imported
only when a statement names one of our tables: ``source``, ``walk`` (its SELECTs), ``conditions``,
``occurrences``, ``pushing``, ``analysis``, ``plan_arguments``; and for what SQLite does not pass on
by itself, ``plainer``, ``view_conditions``, ``implied``, ``limited``, ``extremes``,
``select_terms``, ``semi_joins``, ``derived``, ``references``, ``repeatable``. All of it for one
statement: ``rewrite``. A condition alone, without a statement: ``expression``. Other dialects than
SQLite's: ``dialects``, ``stackql``.

Besides: ``fast_path`` (whether sqlglot is needed), ``json_keys``, ``row_values``, ``effect_call``,
``splicing`` (what is put into a statement, and what is refused), ``dialect`` (SQLite's
grammar for tools that ask sqlglot).
"""

from __future__ import annotations
