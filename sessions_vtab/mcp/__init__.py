"""The MCP server: agents query sessions through the Model Context Protocol.

``sessions-vtab mcp`` serves standard input and output, or streamable HTTP on the loopback address.

* `server`: the server with its tools, resources and prompts, and how it is started
* `tools`: query, explain, describe, sources and, on a writable server, write
* `statements`: one statement on one connection: its cost, its result, its errors in words
* `pool`: connections and the threads their statements run in; cancellation
* `prompts`: the tables and functions as text, SQL for what is asked most often, prompts

It needs the extra ``mcp``: the official Python SDK (https://py.sdk.modelcontextprotocol.io/).
"""

from __future__ import annotations

__all__: list[str] = []
