"""A real ADK server with an agent that needs no model, in an environment of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.children import mortal

AGENT = '''
from google.adk.agents import LlmAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.genai import types


def lookup(order: str) -> dict:
    """Looks an order up."""
    return {"order": order, "status": "shipped"}


class Scripted(BaseLlm):
    async def generate_content_async(self, llm_request, stream=False):
        last = llm_request.contents[-1].parts[0]
        if last.text and "order" in last.text:
            call = types.FunctionCall(name="lookup", args={"order": "7"})
            part = types.Part(function_call=call)
        else:
            part = types.Part(text="Your order 7 is shipped.")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


root_agent = LlmAgent(
    name="desk", model=Scripted(model="scripted"), instruction="Help.", tools=[lookup]
)
'''


def installed(folder: Path) -> Path:
    """The ``adk`` command of an environment in a folder; made unless it is there."""
    command = folder / "bin" / "adk"
    if not command.exists():
        venv.create(folder, with_pip=True)
        python = str(folder / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "google-adk"], check=True)
    return command


@contextmanager
def running(command: Path, folder: Path) -> Iterator[str]:
    """A server on a free port, whose apps are in a folder; its base URL."""
    (folder / "desk").mkdir(parents=True)
    (folder / "desk" / "__init__.py").write_text("from . import agent\n")
    (folder / "desk" / "agent.py").write_text(AGENT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [str(command), "api_server", "--port", str(port), str(folder)]
    with subprocess.Popen(mortal(arguments), stdout=sys.stderr, stderr=sys.stderr) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, server)
            yield url
        finally:
            server.terminate()


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{url}/list-apps"):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")
