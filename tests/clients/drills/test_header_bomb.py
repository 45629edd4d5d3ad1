"""Heads of HTTP/2 that take far more memory than bytes: references of one byte to one field, heads as large as
any that is served on many connections, and heads that do not end. Nobody signs in for any of it."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from drills.crowd import Bystander, address, connect, raise_open_files
from drills.site import Site

MIB = 1024 * 1024
MOST = 300 * MIB
HEADERS, SETTINGS, CONTINUATION = 1, 4, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: bytes, value: bytes, indexed: bool) -> bytes:
    """A field by its texts; `indexed` puts it into the table too. All are shorter than 127 bytes."""
    return bytes([0x40 if indexed else 0]) + bytes([len(name)]) + name + bytes([len(value)]) + value


def reference(index: int) -> bytes:
    return bytes([0x80 | index]) if index < 127 else bytes([0xFF, index - 127])


def opening(node: Site) -> tuple[bytes, bytes]:
    """What a connection begins with: a window of 0. And the pseudo-headers of a form that is posted."""
    host = f"127.0.0.1:{node.port}".encode()
    start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0")
    pseudo = b"\x83\x86\x04" + bytes([13]) + b"/oauth2/token" + b"\x01" + bytes([len(host)]) + host
    kind = b"\x0f\x10" + bytes([33]) + b"application/x-www-form-urlencoded"
    return start, pseudo + kind


def bomb(node: Site) -> bytes:
    """One stream that puts `a: b` into the table, and 99 that refer to it 940 times."""
    start, pseudo = opening(node)
    sent = start + frame(HEADERS, END_HEADERS, 1, pseudo + literal(b"a", b"b", indexed=True))
    for stream in range(3, 201, 2):
        sent += frame(HEADERS, END_HEADERS, stream, pseudo + reference(62) * 940)
    return sent


def legal(node: Site) -> bytes:
    """A hundred streams with 94 fields each, all different."""
    start, pseudo = opening(node)
    fields = b"".join(literal(b"x-%d" % number, b"%d" % number, indexed=True) for number in range(92))
    sent = start + frame(HEADERS, END_HEADERS, 1, pseudo + fields)
    references = b"".join(reference(62 + number) for number in range(92))
    for stream in range(3, 201, 2):
        sent += frame(HEADERS, END_HEADERS, stream, pseudo + references)
    return sent


def endless(node: Site) -> bytes:
    """A head as large as can be, without its end."""
    start, pseudo = opening(node)
    fields = b"".join(literal(b"y-%d" % number, b"v" * 100, indexed=False) for number in range(140))
    return start + frame(HEADERS, 0, 1, pseudo + fields) + frame(CONTINUATION, 0, 1, b"")


def attack(node: Site, connections: int, addresses: int, sent: bytes, seconds: float) -> dict:
    """What `connections` that send the same hold at their peak, and what a bystander sees meanwhile."""
    held: list[socket.socket] = []

    def one(number: int) -> int:
        try:
            connection = connect(node, address(number % addresses), timeout=10)
            held.append(connection)
            connection.sendall(sent)
            return len(sent)
        except OSError:
            return 0

    node.forget_peak()
    before, began, cpu = node.resident(), time.monotonic(), node.cpu_seconds()
    with Bystander(node) as bystander, ThreadPoolExecutor(16) as pool:
        total = sum(pool.map(one, range(connections)))
        time.sleep(max(0, began + seconds - time.monotonic()))
    cpu = node.cpu_seconds() - cpu
    for connection in held:
        connection.close()
    return {
        "connections": connections,
        "sent_mb": round(total / MIB, 1),
        "before_mb": round(before / MIB, 1),
        "peak_mb": round(node.resident(peak=True) / MIB, 1),
        "cpu_s": round(cpu, 2),
        "others": bystander.figures(),
    }


@pytest.mark.parametrize(
    ("how", "connections", "addresses"), [(bomb, 600, 3), (legal, 1000, 4), (endless, 1000, 4)], ids=lambda one: getattr(one, "__name__", str(one))
)
def test_heads_take_bounded_memory(site, figure, how, connections, addresses):
    raise_open_files()
    node = site(how.__name__)
    measured = attack(node, connections, addresses, how(node), seconds=6)
    figure(json.dumps({"drill": f"header_bomb_{how.__name__}", **measured}))
    assert measured["peak_mb"] * MIB <= MOST, measured
    assert measured["others"]["errors"] == 0, measured
