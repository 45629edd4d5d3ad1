"""Many connections from many addresses, and somebody else who only wants to be served meanwhile."""

import resource
import socket
import threading
import time
from dataclasses import dataclass, field

from drills.site import Site

PATH = "/.well-known/openid-configuration"


def raise_open_files() -> int:
    """Lets this process open as many files as it may, and returns how many that are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def address(number: int) -> str:
    """One of many addresses of this machine."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


def connect(node: Site, source: str, timeout: float = 20) -> socket.socket:
    """A connection to `node` from `source`."""
    return socket.create_connection(("127.0.0.1", node.port), timeout=timeout, source_address=(source, 0))


def request(node: Site, *lines: str, method: str = "GET", path: str = PATH) -> bytes:
    """The head of a request of HTTP/1.1."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{node.port}", *lines, "", ""]).encode()


@dataclass
class Bystander:
    """A client at an address of its own that asks something small again and again, each time on a new connection."""

    node: Site
    source: str = "127.250.0.1"
    pause: float = 0.005
    took: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __enter__(self) -> "Bystander":
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask_on)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join(30)

    def ask(self) -> None:
        """One request."""
        began = time.monotonic()
        try:
            with connect(self.node, self.source, timeout=10) as connection:
                connection.sendall(request(self.node, "connection: close"))
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            if not answer.startswith(b"HTTP/1.1 200 "):
                self.errors.append(repr(answer[:60]))
        except OSError as error:
            self.errors.append(repr(error))
        self.took.append(time.monotonic() - began)

    def _ask_on(self) -> None:
        while not self._over.is_set():
            self.ask()
            time.sleep(self.pause)

    def figures(self) -> dict:
        """What it saw, in milliseconds."""
        took = sorted(self.took)
        at = lambda share: round(1000 * took[min(len(took) - 1, int(share * len(took)))], 1)
        return {"asked": len(took), "p50_ms": at(0.5), "p99_ms": at(0.99), "errors": len(self.errors)}
