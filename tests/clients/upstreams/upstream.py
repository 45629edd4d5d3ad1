"""A small server on a loopback port, in a thread of the test process, that records every request."""

import asyncio
import json
import socket
import threading
import time
from dataclasses import dataclass, field

import uvicorn


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    claims: dict = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """The one value of a header; a repeated header fails the test."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self) -> dict:
        return json.loads(self.body)

    def text(self) -> str:
        """Everything that a canary could hide in."""
        lines = [f"{self.method} {self.target}", *(f"{name}: {value}" for name, value in self.headers)]
        return "\n".join(lines) + "\n\n" + self.body.decode("utf-8", "replace")


class Upstream:
    """Serves an ASGI application and keeps what it was asked."""

    def __init__(self, application):
        self.seen: list[Seen] = []
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(self._recording(application), log_level="critical", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def _recording(self, application):
        async def recorder(scope, receive, send):
            if scope["type"] != "http":
                return await application(scope, receive, send)
            query = scope["query_string"].decode("latin-1")
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
            seen = Seen(scope["method"], scope["path"] + (f"?{query}" if query else ""), headers)
            self.seen.append(seen)
            scope["seen"] = seen

            async def remember():
                message = await receive()
                if message["type"] == "http.request":
                    seen.body += message.get("body", b"")
                return message

            return await application(scope, remember, send)

        return recorder

    def __enter__(self):
        self._thread.start()
        end = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < end and self._thread.is_alive(), f"{type(self).__name__} does not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *_) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()


async def answer(send, status: int, body: dict | list | None = None, headers: tuple = ()) -> None:
    """Sends one JSON answer."""
    content = b"" if body is None else json.dumps(body).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": content})


async def read(receive) -> bytes:
    """The whole body of a request."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def lifespan(receive, send) -> None:
    """Start and end of an application that has nothing to prepare."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
