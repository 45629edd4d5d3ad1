"""Claude Code, the command line client."""

import json

from .home import CLIENTS, Home
from .outside import Outside
from .process import Background, Finished, run
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

    def __init__(self, home: Home, outside: Outside):
        self._home, self._outside = home, outside

    def run(self, *args, timeout: float = 90, **env: str) -> Finished:
        """Runs `claude …` to its end."""
        return run([CLAUDE, *args], cwd=self._home.work, env=self._environment(env), timeout=timeout)

    def start(self, *args, **env: str) -> Background:
        """Starts `claude …` beside the test."""
        return Background([CLAUDE, *args], cwd=self._home.work, env=self._environment(env))

    def add_server(self, name: str, url: str, *options: str, **env: str) -> None:
        """`claude mcp add --transport http …`; `options` are such as `--client-id`, `claude-public`."""
        self.run("mcp", "add", "--transport", "http", *options, name, url, **env).check()

    def login(self, name: str, visit, timeout: float = 90, expect: int = 0, **env: str) -> str:
        """`claude mcp login` on a terminal. `visit(url)` plays the user at the authorization URL. Returns all that
        the terminal showed, once the client has ended with the expected exit code."""
        command = [CLAUDE, "mcp", "login", name, "--no-browser"]
        with Terminal(command, cwd=self._home.work, env=self._environment(env)) as terminal:
            visit(terminal.wait_for_url("response_type=", timeout))
            code = terminal.wait(timeout)
            assert code == expect, f"login exited with {code}\n{terminal.text}"
            return terminal.text

    def terminal(self, *args, **env: str) -> Terminal:
        """`claude …` on a terminal, which its user ends."""
        return Terminal([CLAUDE, *args], cwd=self._home.work, env=self._environment(env))

    def status(self, name: str, **env: str) -> str:
        """What `claude mcp list` says about a server, such as `✔ Connected`."""
        done = self.run("mcp", "list", **env).check()
        lines = [line for line in done.out.splitlines() if line.startswith(f"{name}: ")]
        assert len(lines) == 1, f"{name} is not listed once\n{done.out}\n{done.err}"
        return lines[0].rpartition(" - ")[2]

    def ask(self, prompt: str, *options: str, base_url: str, timeout: float = 120, expect: int = 0, **env: str) -> dict:
        """`claude -p` against the LLM door at `base_url`; the credential stands in `env`
        (`ANTHROPIC_AUTH_TOKEN` or `ANTHROPIC_API_KEY`). Returns the JSON result."""
        env.setdefault("ANTHROPIC_BASE_URL", base_url)
        done = self.run("-p", prompt, "--output-format", "json", *options, timeout=timeout, **env)
        assert done.code == expect, f"exit code {done.code}\n{done.out}\n{done.err}"
        return json.loads(done.out)

    def stored(self, name: str) -> dict:
        """What it keeps of its sign-in at a server."""
        found = [one for one in self._sign_ins() if one["serverName"] == name]
        assert len(found) == 1, f"{len(found)} sign-ins at {name}"
        return found[0]

    def tokens(self) -> list[str]:
        """Every token that it keeps now."""
        return [one[kind] for one in self._sign_ins() for kind in ("accessToken", "refreshToken") if one.get(kind)]

    def _sign_ins(self) -> list[dict]:
        file = self._home.folder / ".claude" / ".credentials.json"
        return list(json.loads(file.read_text()).get("mcpOAuth", {}).values()) if file.exists() else []

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return self._home.environment(**{**QUIET, **self._outside.environment(), **more})
