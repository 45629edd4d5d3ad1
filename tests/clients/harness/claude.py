"""Claude Code, the command line client."""

import json

from .home import CLIENTS, Home
from .process import Finished, run
from .terminal import Terminal

# The native program itself: the npm launcher needs an install script, which we do not run.
CLAUDE = CLIENTS / "node_modules" / "@anthropic-ai" / "claude-code-linux-x64" / "claude"

QUIET = {
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}


class ClaudeCode:
    """Claude Code in a home of its own, without any account."""

    def __init__(self, home: Home):
        self._home = home

    def run(self, *args, timeout: float = 90, **env: str) -> Finished:
        """Runs `claude …` to its end."""
        environment = self._home.environment(**QUIET, **env)
        return run([CLAUDE, *args], cwd=self._home.work, env=environment, timeout=timeout)

    def add_server(self, name: str, url: str, *options: str, **env: str) -> None:
        """`claude mcp add --transport http …`; `options` are such as `--client-id`, `claude-public`."""
        self.run("mcp", "add", "--transport", "http", *options, name, url, **env).check()

    def login(self, name: str, visit, timeout: float = 60, **env: str) -> str:
        """`claude mcp login` on a terminal. `visit(url)` plays the user at the authorization URL and returns the
        last answer's text; returns all that the terminal showed."""
        environment = self._home.environment(**QUIET, **env)
        command = [CLAUDE, "mcp", "login", name, "--no-browser"]
        with Terminal(command, cwd=self._home.work, env=environment) as terminal:
            visit(terminal.wait_for_url("response_type=", timeout))
            code = terminal.wait(timeout)
            assert code == 0, f"login exited with {code}\n{terminal.text}"
            return terminal.text

    def ask(self, prompt: str, *options: str, base_url: str, timeout: float = 120, **env: str) -> dict:
        """`claude -p` against the LLM door at `base_url`; the credential stands in `env`
        (`ANTHROPIC_AUTH_TOKEN` or `ANTHROPIC_API_KEY`). Returns the JSON result."""
        env.setdefault("ANTHROPIC_BASE_URL", base_url)
        done = self.run("-p", prompt, "--output-format", "json", *options, timeout=timeout, **env).check()
        return json.loads(done.out)
