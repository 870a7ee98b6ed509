"""EleanorAI: activity sessions and their participants.

No server of Eleanor's can be run, and its wire format is not published: this follows the PROPOSED
mapping of the contract (section 7) in full. What that leaves open, so that a user can start without
set-up and every error can still be met:

* any namespace exists, and any participant of it from its first mention on, except those whose
  name starts with `unknown` (404); a name that starts with `agent` or `assistant` is an agent's,
  any other a user's
* what the API itself cannot make (managed and auto-created sessions, turns, a participant of
  another type) is made through `/_emulator/eleanor/...` with the control token; see `app`
* names have 1 to 255 characters, else 400; the session holds a participant once, also at creation

* `state`: what is kept and how names are found; `app`: the ten operations, and what only an
  emulator has
"""

from __future__ import annotations

from sessions_vtab.emulator.eleanor.app import service

__all__ = ["service"]
