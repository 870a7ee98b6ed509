"""How many pages of 100 sessions a second the emulator serves: `python bench_pages.py [SECONDS]`.

The client is a bare socket on a second core (it costs next to nothing), the server a process of
its own; the last column relates the pages to the CPU time of the server alone.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

SESSIONS = "/v1beta1/projects/demo/locations/us-central1/reasoningEngines/42/sessions"


class Connection:
    """One HTTP/1.1 connection that is kept alive."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._address = address
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str) -> bytes:
        request = f"GET {path} HTTP/1.1\r\nHost: {self._address}\r\n\r\n"
        self._socket.sendall(request.encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(1 << 20)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        while len(body) < length:
            body += self._socket.recv(1 << 20)
        return body


def page_paths(connection: Connection) -> list[str]:
    paths = [f"{SESSIONS}?pageSize=100"]
    while token := re.search(rb'"nextPageToken":"([^"]+)"', connection.get(paths[-1])):
        paths.append(f"{paths[0]}&pageToken={quote(token[1].decode(), safe='')}")
    return paths


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(connection: Connection, pid: int, name: str, paths: list[str], seconds: float) -> None:
    count, cpu, begun = 0, cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - begun < seconds:
        connection.get(paths[count % len(paths)])
        count += 1
    elapsed, used = time.perf_counter() - begun, cpu_seconds(pid) - cpu
    line = f"{name:<22} {count / elapsed:6.0f}/s   {count / used:6.0f} per CPU second\n"
    sys.stdout.write(line)


def main(seconds: float) -> None:
    command = [sys.executable, "-m", "sessions_vtab", "emulator", "--seed", "7", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        os.sched_setaffinity(server.pid, {0})
        os.sched_setaffinity(0, {1})
        connection = Connection(re.search(r"127\.0\.0\.1:\d+", server.stdout.readline())[0])
        filtered = f"{SESSIONS}?filter=" + quote('labels.env="prod"')
        for name, paths in (
            ("pages of 100", page_paths(connection)),
            ("filtered by a label", [filtered]),
            ("events of a session", [f"{SESSIONS}/chat-0000/events"]),
            ("one session", [f"{SESSIONS}/chat-0000"]),
        ):
            measure(connection, server.pid, name, paths, seconds)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
