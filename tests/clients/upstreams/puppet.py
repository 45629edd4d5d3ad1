"""A model provider, an MCP server and a REST API on bare sockets, that do what each request tells them to and
notice at once when their caller goes away."""

import asyncio
import json
import socket
import threading
import time
from dataclasses import dataclass, field

KEY = "sk-provider-key-that-only-the-gateway-knows"
PIECE = 64 * 1024


@dataclass
class Exchange:
    """One request and what became of it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    written: int = 0
    closed_at: float | None = None
    answered: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def wait_closed(self, seconds: float) -> float:
        """The monotonic time at which its caller had gone away."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.closed_at is not None, seconds), f"still open: {self.target}"
        return self.closed_at

    def note(self, **changes) -> None:
        with self.changed:
            for name, value in changes.items():
                setattr(self, name, value)
            self.changed.notify_all()


class Puppet:
    """Serves `/v1/messages`, `/mcp` and `/api/act`. What to do stands in the user's message, the arguments of the
    tool `act`, or the parameter `order`: a JSON object `{"do": …}`."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(512)
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._changed = threading.Condition()
        self._by_mark: dict[str, Exchange] = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def exchange(self, mark: str, seconds: float = 20) -> Exchange:
        """The request whose order carried `mark`, as soon as it is here."""
        with self._changed:
            assert self._changed.wait_for(lambda: mark in self._by_mark, seconds), f"no request with {mark!r} came"
            return self._by_mark[mark]

    def release(self, mark: str) -> None:
        """Lets the request with `mark` go on, if it waits."""
        self._loop.call_soon_threadsafe(lambda: self._gate(mark).set())

    def _gate(self, mark: str) -> asyncio.Event:
        return self._gates.setdefault(mark, asyncio.Event())

    def __enter__(self) -> "Puppet":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._connected, sock=self._socket))
        self._loop.run_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=PIECE)
        try:
            while exchange := await _request(reader):
                await self._watched(exchange, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _watched(self, exchange: Exchange, reader, writer) -> None:
        """Answers, unless the caller goes away meanwhile."""
        answering = asyncio.ensure_future(self._answer(exchange, writer))
        watching = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
        is_gone = watching.done()
        if is_gone:
            exchange.note(closed_at=time.monotonic())
        for task in (answering, watching):
            task.cancel()
        outcomes = await asyncio.gather(answering, watching, return_exceptions=True)
        if is_gone:
            raise ConnectionResetError("the caller went away")
        if isinstance(outcomes[0], Exception):
            exchange.note(closed_at=time.monotonic())
            raise outcomes[0]
        exchange.note(answered=True)

    async def _answer(self, exchange: Exchange, writer) -> None:
        path = exchange.target.split("?")[0]
        if path == "/mcp":
            return await self._mcp(exchange, writer)
        if path == "/v1/messages":
            order = json.loads(json.loads(exchange.body)["messages"][-1]["content"])
            return await self._act(order, exchange, writer, Messages())
        if path == "/api/act":
            return await self._act(json.loads(exchange.body), exchange, writer, Rest())
        return await _send(exchange, writer, 404, b'{"error": "nothing here"}')

    async def _mcp(self, exchange: Exchange, writer) -> None:
        request = json.loads(exchange.body)
        number, parameters = request.get("id"), request.get("params", {})
        match request["method"]:
            case "initialize":
                result = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "puppet", "version": "1"},
                }
            case "tools/list":
                result = {"tools": [{"name": "act", "description": "Acts.", "inputSchema": {"type": "object"}}]}
            case "tools/call":
                token = parameters.get("_meta", {}).get("progressToken")
                return await self._act(parameters["arguments"], exchange, writer, Tool(number, token))
            case method if number is None:
                return await _send(exchange, writer, 202, b"")
            case method:
                error = {"code": -32601, "message": f"no {method}"}
                body = json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode()
                return await _send(exchange, writer, 200, body)
        body = json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()
        return await _send(exchange, writer, 200, body)

    async def _act(self, order: dict, exchange: Exchange, writer, words) -> None:
        mark = order.get("mark", "")
        with self._changed:
            self._by_mark[mark] = exchange
            self._changed.notify_all()
        match order["do"]:
            case "reply":
                await _send(exchange, writer, 200, words.whole(order.get("bytes", 0)))
            case "wait":  # until released, then reply
                await self._gate(mark).wait()
                await _send(exchange, writer, 200, words.whole(order.get("bytes", 0)))
            case "half":  # half of a reply of known length, the rest once released
                body = words.whole(order["bytes"])
                half = len(body) // 2
                writer.write(_head(200, len(body)) + body[:half])
                await writer.drain()
                await self._gate(mark).wait()
                writer.write(body[half:])
                await writer.drain()
            case "stream":  # so many events, one write each
                await self._stream(words.events(order["events"]), exchange, writer)
            case "steps":  # the second event only once the first is known to have arrived
                events = words.events(order["events"])
                await self._stream(events[:1], exchange, writer, end=False)
                await self._gate(mark).wait()
                await self._stream(events[1:], exchange, writer, head=False)
            case "flood":  # events without end, as fast as they are taken
                piece = b"".join(words.events(400)[1:-1])
                writer.write(STREAM_HEAD)
                while True:
                    _chunk(writer, piece)
                    await writer.drain()
                    exchange.written += len(piece)

    async def _stream(self, events: list[bytes], exchange: Exchange, writer, head=True, end=True) -> None:
        if head:
            writer.write(STREAM_HEAD)
        for event in events:
            _chunk(writer, event)
            await writer.drain()
            exchange.written += len(event)
        if end:
            writer.write(b"0\r\n\r\n")
        await writer.drain()


class Messages:
    """The Messages API."""

    def whole(self, size: int) -> bytes:
        text = _text(b"0123456789 \\u00e9\\n \xf0\x9f\x90\x98 ", size)
        start = b'{"id":"msg_1" , "type":"message","role":"assistant","model":"drill",  "content":['
        usage = b'"usage":{"input_tokens":7,"output_tokens":5}'
        end = b'],"stop_reason":"end_turn","big":12345678901234567890.10,' + usage + b"}\n"
        return start + b'{"type":"text","text":"' + text + b'"}' + end

    def events(self, count: int) -> list[bytes]:
        usage = b'"usage":{"input_tokens":7,"output_tokens":1}'
        message = b'{"id":"msg_1","type":"message","role":"assistant","model":"drill","content":[],' + usage + b"}"
        first = b'event: message_start\ndata: {"type":"message_start","message":' + message + b"}\n\n"
        last = b'event: message_stop\ndata: {"type":"message_stop" }\n\n'
        return [first, *(_delta(number) for number in range(count - 2)), last]


class Rest:
    """A REST API."""

    def whole(self, size: int) -> bytes:
        return json.dumps({"text": "r" * size}).encode()


class Tool:
    """A call of an MCP tool."""

    def __init__(self, number, token):
        self._number, self._token = number, token

    def whole(self, size: int) -> bytes:
        return b'{"jsonrpc":"2.0","id":%d,"result":%s}' % (self._number, tool_result(size))

    def events(self, count: int) -> list[bytes]:
        progress = [
            {"method": "notifications/progress", "params": {"progressToken": self._token, "progress": number}}
            for number in range(count - 1)
        ]
        texts = [json.dumps({"jsonrpc": "2.0", **one}).encode() for one in progress]
        return [b"event: message\ndata: " + text + b"\n\n" for text in (*texts, self.whole(0))]


def tool_result(size: int) -> bytes:
    """What the tool says, `size` bytes of text in it."""
    text = _text(b"tool \\u00fc \xe2\x82\xac \\\\ ", size)
    return b'{ "content":[ {"type":"text","text":"' + text + b'"}],"structuredContent":{"n":12345678901234567890.10} }'


def _text(unit: bytes, size: int) -> bytes:
    """About `size` bytes of escapes and characters outside ASCII."""
    return unit * (size // len(unit))


def _delta(number: int) -> bytes:
    delta = b'"delta":{"type":"text_delta","text":"word %05d \\u00e9 \xf0\x9f\x90\x98 "}' % number
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,' + delta + b"}\n\n"


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _head(status: int, length: int) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, length)


def _chunk(writer, piece: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))


async def _send(exchange: Exchange, writer, status: int, body: bytes) -> None:
    writer.write(_head(status, len(body)) + body)
    await writer.drain()
    exchange.written += len(body)


async def _request(reader: asyncio.StreamReader) -> Exchange | None:
    """The next request, `None` when there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    assert not any(name == "transfer-encoding" for name, _ in headers), "expected requests of known length"
    return Exchange(method, target, headers, await reader.readexactly(length))
