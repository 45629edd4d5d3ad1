"""A flood of requests from many addresses of this machine, at a given rate whether they are answered or not.

Runs as a process of its own, so that it shares no interpreter with those who measure: `python -m drills.slow_work` reads
what to do from standard input and prints what came of it, both as JSON.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

TICK = 0.005
MOST_AT_ONCE = 100
"""Most requests of one address at the same time, each on a connection, of which it may have 256."""


class Exchange(asyncio.Protocol):
    """One connection, one request after the other."""

    def __init__(self):
        self.transport, self._received, self._answer = None, b"", None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        if found and len(body) >= int(length[1] if length else 0):
            answer, self._received = (int(head[9:12]), head, body), b""
            if self._answer and not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, error):
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("closed without an answer"))

    async def ask(self, request: bytes):
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await asyncio.wait_for(self._answer, 30)

    def is_open(self) -> bool:
        return not self.transport.is_closing()


class Address:
    """One address, with the connections that it has open."""

    def __init__(self, address: str, port: int):
        self.address, self._port = address, port
        self._idle: list[Exchange] = []
        self.asked, self.under_way = 0, 0

    async def ask(self, request: bytes):
        self.under_way += 1
        try:
            return await self._ask(request)
        finally:
            self.under_way -= 1

    async def _ask(self, request: bytes):
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open():
                break
        else:
            _, connection = await asyncio.get_running_loop().create_connection(
                Exchange, "127.0.0.1", self._port, local_addr=(self.address, 0)
            )
        answer = await connection.ask(request)
        if connection.is_open():
            self._idle.append(connection)
        return answer


async def flood(order: dict) -> dict:
    """Sends `rate` requests a second for `seconds`, from the addresses in turn."""
    addresses = [Address(address, order["port"]) for address in order["addresses"]]
    make = await KINDS[order["kind"]](order, addresses)
    outcomes, running = Counter(), set()

    async def one(address: Address):
        try:
            status, _, _ = await address.ask(make(address))
            outcomes[str(status)] += 1
        except (OSError, TimeoutError) as error:
            outcomes[type(error).__name__] += 1

    print("ready", flush=True)
    began = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - began) < order["seconds"]:
        while sent < elapsed * order["rate"]:
            address = addresses[sent % len(addresses)]
            sent += 1
            if address.under_way >= MOST_AT_ONCE:
                outcomes["held back"] += 1
                continue
            task = asyncio.ensure_future(one(address))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(TICK)
    took = time.monotonic() - began
    if running:
        await asyncio.wait(running, timeout=10)
    outcomes["unanswered"] += len(running)
    return {"sent": sent, "per_second": round(sent / took), "outcomes": dict(+outcomes)}


def _request(order: dict, line: str, *more: str, body: bytes = b"") -> bytes:
    lines = [f"{line} HTTP/1.1", f"host: {order['host']}", *more]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _sign_ins(order: dict, addresses: list[Address]):
    request = _request(order, f"GET {order['authorize']}")
    return lambda _address: request


async def _passwords(order: dict, addresses: list[Address]):
    """Every address begins one sign-in, and then tries one name after the other in its form."""
    forms = {}

    async def begin(address: Address):
        _, head, _ = await address.ask(_request(order, f"GET {order['authorize']}"))
        cookie = re.search(rb"set-cookie: (txn-[^;]+)", head)[1].decode()
        location = re.search(rb"\r\nlocation: (\S+)", head)[1].decode()
        _, _, page = await address.ask(_request(order, f"GET {location}", f"cookie: {cookie}"))
        fields = dict(re.findall(r'name="(transaction|csrf|connector)" value="([^"]*)"', page.decode()))
        assert len(fields) == 3, page
        forms[address.address] = (cookie, fields)

    for start in range(0, len(addresses), 20):
        await asyncio.gather(*(begin(address) for address in addresses[start : start + 20]))

    def make(address: Address) -> bytes:
        cookie, fields = forms[address.address]
        address.asked += 1
        body = urlencode({**fields, "username": f"user-{address.asked}", "password": "a guess"}).encode()
        kind = "content-type: application/x-www-form-urlencoded"
        return _request(order, "POST /login", f"cookie: {cookie}", kind, body=body)

    return make


async def _calls(order: dict, addresses: list[Address]):
    """Tool calls whose arguments are never the same."""
    headers = [f"{name}: {value}" for name, value in order["headers"].items()]

    def make(address: Address) -> bytes:
        address.asked += 1
        arguments = {"do": order["do"], "mark": f"{address.address}-{address.asked}"}
        params = {"name": order["tool"], "arguments": {"body": arguments}}
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).encode()
        return _request(order, "POST /mcp", "content-type: application/json", *headers, body=body)

    return make


KINDS = {"sign-ins": _sign_ins, "passwords": _passwords, "calls": _calls}


class Flood:
    """The process that floods, as a context: it is ready at its begin, and `outcome` is there at its end."""

    def __init__(self, **order):
        self._order, self.outcome = order, {}

    def __enter__(self) -> "Flood":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command = [sys.executable, "-m", "drills.slow_work"]
        self._process = subprocess.Popen(command, cwd=Path(__file__).parent.parent, text=True, **pipes)
        self._process.stdin.write(json.dumps(self._order))
        self._process.stdin.close()
        assert self._process.stdout.readline() == "ready\n", "the flood did not begin"
        return self

    def is_running(self) -> bool:
        return self._process.poll() is None

    def __exit__(self, kind, *_) -> None:
        if kind:
            self._process.kill()
        text = self._process.stdout.read()
        self._process.wait(60)
        if not kind:
            self.outcome = json.loads(text)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(flood(json.load(sys.stdin)))))
