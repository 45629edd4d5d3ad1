"""The company's identity provider: a real oidc-provider beside the test, which can fall over, come back and rotate."""

import json
import secrets

from .gateway import free_port
from .node import Node
from .process import Background


class IdentityProvider:
    """An oidc-provider on a port of its own. Its people are those of `house.PASSWORDS`."""

    def __init__(self, node: Node, clients: list[dict], **settings):
        self._node, self._clients, self._settings = node, clients, settings
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: Background
        self._rotations: int
        self.start()

    def start(self) -> None:
        """Serves at its fixed address, with new keys and no memory."""
        self._rotations = 0
        settings = {"port": self.port, "clients": self._clients, **self._settings}
        self._process = self._node.start("oidc_provider.mjs", json.dumps(settings))
        self._process.wait_for("^ready$", stream="out", timeout=60)

    def stop(self) -> None:
        """Nobody answers at its address any more."""
        self._process.stop()

    def rotate(self) -> None:
        """A new signing key takes the place of the old one."""
        self._rotations += 1
        self._process.write("rotate")
        self._process.wait_for(f'"event":"rotated","times":{self._rotations}\\b', stream="out")

    def events(self, event: str) -> list[dict]:
        """What it has told of `event` since it was started."""
        told = [json.loads(line) for line in list(self._process.out) if line.startswith("{")]
        return [one for one in told if one["event"] == event]

    def transcript(self) -> str:
        return self._process.transcript()

    def __enter__(self) -> "IdentityProvider":
        return self

    def __exit__(self, *_) -> None:
        self.stop()


def secret() -> str:
    """A client secret with characters that a careless client would not encode (RFC 6749 §2.3.1)."""
    return f"{secrets.token_urlsafe(18)}+/=%:&"
