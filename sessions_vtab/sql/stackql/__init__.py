"""StackQL's dialect for Google's sessions, translated to our own SQL.

* `recognition`: whether a text is in it, asked of every statement
* `translate`: one statement; imported when there is one, as the rest is; `reading`, `writing`,
  `execute`, `show`: its kinds
* `dialect`: comments, names of three parts, and what a translation can be
* `naming`, `scoping`: whose column a name is, and which engines a table is about
* `provider`: what StackQL's registry says, and which source serves an engine
"""

from __future__ import annotations
