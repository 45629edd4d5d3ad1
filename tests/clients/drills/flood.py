"""Requests without any credential, as many as go through: pipelined over raw connections from many addresses."""

import ipaddress
import re
import socket
import threading
from collections import Counter

DEPTH = 50
"""Requests of one connection that are under way at a time."""

ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Kind:
    """One kind of request that is refused, and what has to be found of it afterwards."""

    def __init__(self, head: str, *, reason: str, event: str | None, status: int, body: str = ""):
        fields = f"content-length: {len(body)}\r\n" if body or head.startswith("POST") else ""
        self.request = (head.replace("\n", "\r\n") + "\r\n" + fields + "\r\n" + body).encode()
        self.reason, self.event, self.status = reason, event, status


def kinds(host: str) -> list[Kind]:
    form = "content-type: application/x-www-form-urlencoded"
    return [
        Kind(f"POST /mcp HTTP/1.1\nhost: {host}", reason="credential_missing", event="credential.refused", status=401),
        Kind(
            f"POST /v1/messages HTTP/1.1\nhost: {host}\nx-api-key: {'k' * 40}",
            reason="token_not_jwt",
            event="credential.refused",
            status=401,
        ),
        Kind(
            f"POST /oauth2/token HTTP/1.1\nhost: {host}\n{form}",
            body="grant_type=client_credentials&client_id=machine&client_secret=wrong",
            reason="invalid_client",
            event="token.issue",
            status=401,
        ),
        Kind(f"GET /{'a' * 4000} HTTP/1.1\nhost: {host}", reason="route_unknown", event=None, status=404),
        Kind(
            f"GET /mcp HTTP/1.1\nhost: elsewhere.example\nuser-agent: {'u' * 4000}",
            reason="host_unknown",
            event="request.refused",
            status=421,
        ),
    ]


class Flood:
    """Sends `total` requests of all kinds and counts the answers by reason."""

    def __init__(self, port: int, total: int, *, addresses: int, threads: int = 4):
        self._port, self._kinds = port, kinds(f"127.0.0.1:{port}")
        self.answered: Counter[str] = Counter()
        self.failures: list[BaseException] = []
        self._lock = threading.Lock()
        per_connection = max(DEPTH, total // addresses // DEPTH * DEPTH)
        first = int(ipaddress.ip_address("127.1.0.1"))
        work = [(str(ipaddress.ip_address(first + number)), per_connection) for number in range(addresses)]
        self._threads = [
            threading.Thread(target=self._run, args=(work[thread::threads], thread)) for thread in range(threads)
        ]

    def __enter__(self) -> "Flood":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    @property
    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, work, number: int) -> None:
        try:
            for address, count in work:
                for _ in range(count // DEPTH):
                    number += 1
                    self._connection(address, self._kinds[number % len(self._kinds)])
        except BaseException as failure:
            self.failures.append(failure)

    def _connection(self, address: str, kind: Kind) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=60, source_address=(address, 0)) as raw:
            raw.sendall(kind.request * DEPTH)
            rest, answers = b"", 0
            while answers < DEPTH and (received := raw.recv(1 << 18)):
                text = rest + received
                found = list(ANSWER.finditer(text))
                assert all(int(one[1]) == kind.status for one in found), (kind.reason, found[0][0])
                answers += len(found)
                rest = text[max(found[-1].end() if found else 0, len(text) - 12) :]
        assert answers == DEPTH, f"{answers} answers to {DEPTH} requests ({kind.reason})"
        with self._lock:
            self.answered[kind.reason] += answers
