"""MCP servers that answer without measure, on bare sockets: what they send is prepared, so that they outpace readers."""

import asyncio
import itertools
import json
import socket
import threading

MB = 1_000_000


class Flood:
    """Serves `/endless`: pages of 15 MB with ever new cursors; `/hints`: a list of a thousand tools with 400 annotations
    each, a different one for every caller; `/result`: a tool whose result is a gigabyte; `/progress`: a tool that tells
    of progress for ever; `/event`: one whose answer is one event without an end."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(512)
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.sent = 0
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        hints = ",".join(f'"hint{number}":true' for number in range(400))
        self._hints = ",".join(_tool(number, f'"annotations":{{{hints}}}') for number in range(1, 1000)).encode()
        text = "d" * 10_000
        self._page = ",".join(_tool(number, f'"description":"{text}"') for number in range(1, 1480)).encode()

    def __enter__(self) -> "Flood":
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
        writer.transport.set_write_buffer_limits(high=MB)
        try:
            while request := await _request(reader):
                await self._answer(*request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, message: dict, writer) -> None:
        number = json.dumps(message.get("id")).encode()
        match message["method"]:
            case "initialize":
                info = b'"serverInfo":{"name":"flood","version":"1"}'
                await self._whole(writer, number, b'{"protocolVersion":"2025-11-25","capabilities":{},' + info + b"}")
            case "tools/list":
                await self._whole(writer, number, self._list(path))
            case "tools/call":
                await self._call(path, number, message, writer)
            case _ if "id" not in message:
                writer.write(b"HTTP/1.1 202 X\r\ncontent-length: 0\r\n\r\n")
            case _:
                body = b'{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}' % number
                await self._send(writer, b"application/json", [body])

    def _list(self, path: str) -> bytes:
        own = next(self._numbers)
        match path:
            case "/endless":
                first = _tool(0, f'"description":"page {own}"').encode()
                return b'{"tools":[%s,%s],"nextCursor":"%d"}' % (first, self._page, own)
            case "/hints":
                first = _tool(0, f'"description":"list {own}"').encode()
                return b'{"tools":[%s,%s]}' % (first, self._hints)
            case _:
                return b'{"tools":[%s]}' % _tool(0, '"description":"floods"').encode()

    async def _call(self, path: str, number: bytes, message: dict, writer) -> None:
        match path:
            case "/result":
                start = b'{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"' % number
                await self._send(writer, b"application/json", itertools.chain([start], [b"x" * MB] * 1000))
            case "/progress":
                token = message["params"].get("_meta", {}).get("progressToken")
                params = json.dumps({"progressToken": token, "progress": 1}).encode()
                event = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":%s}\n\n' % params
                await self._send(writer, b"text/event-stream", itertools.repeat(event * 1000, 10_000))
            case "/event":
                await self._send(writer, b"text/event-stream", itertools.chain([b"data: "], [b"x" * MB] * 1000))

    async def _whole(self, writer, number: bytes, result: bytes) -> None:
        await self._send(writer, b"application/json", [b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (number, result)])

    async def _send(self, writer, kind: bytes, pieces) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % kind)
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            self.sent += len(piece)
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _tool(number: int, more: str) -> str:
    return f'{{"name":"t{number:04}","inputSchema":{{"type":"object"}},{more}}}'


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict] | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split(" ")[1], json.loads(body)
