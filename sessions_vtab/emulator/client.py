"""A small client of the control API, for tests and scripts."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT = 60.0


class ControlError(Exception):
    """The control API refused a request; the text is its reason."""


class Control:
    """Controls an emulator that runs somewhere on this machine.

    Every method raises `ControlError` if the emulator refuses, `OSError` if it is not there.
    """

    def __init__(self, url: str, token: str) -> None:
        self._address = urlsplit(url).netloc
        self._token = token

    def requests(self, method: str | None = None, contains: str = "") -> list[dict[str, Any]]:
        """Return the logged requests in order of arrival, of a method and path only if given.

        Keys: `number method path raw_path query headers body status bytes started ended in_flight
        fault`; times are seconds since the log was reset.
        """
        found: list[dict[str, Any]] = self.log()["requests"]
        return [
            entry
            for entry in found
            if method in {None, entry["method"]} and contains in entry["path"]
        ]

    def log(self) -> dict[str, Any]:
        """Return `{requests, total, max_in_flight}`; the last is a high-water mark."""
        result: dict[str, Any] = self._call("GET", "requests")
        return result

    def reset_log(self) -> None:
        """Forget the logged requests and the high-water mark."""
        self._call("DELETE", "requests")

    def reset(self, *, seed: int | None = None, empty: bool = False) -> None:
        """Start anew: no faults, an empty log, and the data of the start.

        With a `seed` the data of that seed, with `empty` none at all.
        """
        self._call("POST", "reset", {"seed": seed} if empty or seed is not None else {})

    def fault(self, kind: str, **fields: Any) -> int:
        """Put a fault in force and return its number; fields are those of `faults.Fault`."""
        number: int = self._call("POST", "faults", {"kind": kind, **fields})["id"]
        return number

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults in force, each with its `id` and its `hits`."""
        found: list[dict[str, Any]] = self._call("GET", "faults")["faults"]
        return found

    def clear_faults(self) -> None:
        """Take all faults out of force."""
        self._call("DELETE", "faults")

    def delay(self, seconds: float) -> None:
        """Set the latency of each API response from now on."""
        self._call("POST", "delay", {"seconds": seconds})

    def dump(self) -> dict[str, Any]:
        """Return the state of all services, as in the data file."""
        state: dict[str, Any] = self._call("GET", "data")
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Replace the state of the services that `state` has."""
        self._call("PUT", "data", state)

    def summary(self) -> str:
        """Return what is loaded, as in the start-up line."""
        text: str = self._call("GET", "summary")["summary"]
        return text

    def _call(self, method: str, name: str, body: Any = None) -> Any:
        connection = HTTPConnection(self._address, timeout=_TIMEOUT)
        headers = {"X-Emulator-Token": self._token, "Connection": "close"}
        content = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, f"/_emulator/{name}", content, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:  # noqa: PLR2004 (OK)
            raise ControlError(answer["error"])
        return answer
