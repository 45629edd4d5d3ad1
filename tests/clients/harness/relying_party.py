"""A relying party on the certified library oauth4webapi, driven from a test."""

import json

from .browser import Browser
from .house import PASSWORDS
from .node import Node


class Failed(Exception):
    """How the library reported a failure."""

    def __init__(self, told: dict):
        super().__init__(json.dumps(told))
        self.told = told

    @property
    def kind(self) -> tuple[str, str | None]:
        """The library's class of error, and the OAuth error code that it read."""
        return self.told["name"], self.told.get("error") or self.told.get("code")


class RelyingParty:
    """One client of one authorization server. Every command of `scripts/relying_party.mjs` is a method."""

    def __init__(self, node: Node):
        self._process = node.start("relying_party.mjs")
        self._answers = 0
        self._process.wait_for("^ready$", stream="out")

    def __getattr__(self, command: str):
        if command.startswith("_"):
            raise AttributeError(command)
        return lambda **parameters: self.run(command, **parameters)

    def run(self, command: str, **parameters):
        """What the library makes of it; raises `Failed`."""
        self._answers += 1
        self._process.write(json.dumps({"command": command, **parameters}))
        answer = json.loads(self._process.wait_for_line("out", self._answers))
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer["done"]

    def sign_in(self, browser: Browser, username: str = "ada", decision: str = "approve", **parameters) -> str:
        """Takes `browser` through an authorization; returns where it was sent in the end."""
        url = self.run("authorize", **parameters)["url"]
        return browser.authorize(url, username, PASSWORDS[username], decision)

    def tokens(self, username: str = "ada", **parameters) -> dict:
        """The whole code flow in a new browser: `tokens` and the `claims` of the ID token."""
        with Browser() as browser:
            return self.run("redeem", callback=self.sign_in(browser, username, **parameters))

    def __enter__(self) -> "RelyingParty":
        return self

    def __exit__(self, *_) -> None:
        self._process.stop()
