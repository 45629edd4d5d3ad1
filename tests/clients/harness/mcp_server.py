"""MCP servers on the TypeScript SDK, to stand behind a gateway."""

import json

from .gateway import free_port
from .node import Node


class McpServer:
    """A server of one era (`elder` or `newer`) that takes the tokens of the issuer it trusts."""

    def __init__(self, node: Node, era: str):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._process = node.start("mcp_server.mjs", era, self.port)
        self._process.wait_for("^ready$", stream="out", timeout=60)

    def trust(self, issuer: str) -> None:
        self._process.write(f"trust {issuer}")

    def seen(self) -> list[dict]:
        """Its requests so far: `method`, `url`, `headers` (names and values in turn), `body`."""
        return [json.loads(line) for line in list(self._process.out) if line.startswith("{")]

    def text(self) -> str:
        """Everything it was sent, for canary searches."""
        return "\n".join(self._process.out)

    def __enter__(self) -> "McpServer":
        return self

    def __exit__(self, *_) -> None:
        self._process.stop()
