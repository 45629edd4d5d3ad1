"""Requests that arrive at the same moment."""

import json
import socket
import threading
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass
class Answer:
    """What came back on one connection."""

    status: int
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


def burst(ports: list[int], host: str, path: str, forms: list[dict]) -> list[Answer]:
    """Posts every form on a connection of its own, to the ports in turn. Everything but the last byte of each is
    sent first, so that the server can begin with any of them only once all are nearly there."""
    connections = []
    for number, form in enumerate(forms):
        body = urlencode(form).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n"
            f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        connection = socket.create_connection(("127.0.0.1", ports[number % len(ports)]), timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head.encode() + body[:-1])
        connections.append((connection, body[-1:]))
    for connection, last in connections:
        connection.send(last)
    answers: list[Answer | None] = [None] * len(forms)

    def read(number: int, connection: socket.socket) -> None:
        with connection:
            text = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = text.partition(b"\r\n\r\n")
        answers[number] = Answer(int(head.split(b" ")[1]), body)

    readers = [threading.Thread(target=read, args=(n, one)) for n, (one, _) in enumerate(connections)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert all(answers), f"{answers.count(None)} connections were cut"
    return answers
