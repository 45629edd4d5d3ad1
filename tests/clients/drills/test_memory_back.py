"""What many streams took is given back to the system once they have ended."""

import json
import os
import select
import socket
import threading
import time

import pytest

from drills.crowd import address, connect, raise_open_files, request
from drills.site import Site, message

STREAMS = int(os.environ.get("DRILL_STREAMS", "0"))
MIB = 1024 * 1024


@pytest.fixture
def node(site):
    raise_open_files()
    return site()


def begin(node: Site, number: int, mark: str = "all") -> socket.socket:
    body = json.dumps({**message({"do": "steps", "events": 4, "mark": mark}), "stream": True}).encode()
    head = request(
        node,
        f"x-api-key: {node.key}",
        "anthropic-version: 2023-06-01",
        "content-type: application/json",
        f"content-length: {len(body)}",
        method="POST",
        path="/v1/messages",
    )
    connection = connect(node, address(number % 100), timeout=60)
    connection.sendall(head + body)
    return connection


def first_events(connections: list[socket.socket]) -> None:
    """Waits until each has its first event."""
    poll, waiting = select.poll(), {one.fileno(): one for one in connections}
    for number in waiting:
        poll.register(number, select.POLLIN)
    end = time.monotonic() + 120
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} streams have not begun"
        for number, _ in poll.poll(1000):
            if b"message_start" in waiting[number].recv(65536):
                poll.unregister(number)
                del waiting[number]


def finish(connections: list[socket.socket]) -> int:
    """Reads all to their ends; returns how many came whole."""
    whole = 0
    for connection in connections:
        text = b""
        while b"0\r\n\r\n" not in text and (data := connection.recv(65536)):
            text += data
        whole += b"message_stop" in text
        connection.close()
    return whole


@pytest.mark.skipif(not STREAMS, reason="it waits for a minute: a command of its own, with DRILL_STREAMS=4000")
def test_memory_of_streams_that_ended_is_given_back(node, puppet, figure):
    # What is made once is made: threads, caches, and the connections to the upstream that are kept.
    connections = [begin(node, number, "few") for number in range(100)]
    first_events(connections)
    puppet.release("few")
    assert finish(connections) == 100
    time.sleep(12)
    before = node.resident()
    connections = [begin(node, number) for number in range(STREAMS)]
    first_events(connections)
    during = node.resident()
    puppet.release("all")
    assert finish(connections) == STREAMS
    ended, samples = time.monotonic(), {}
    for second in (1, 5, 10, 20, 30, 45, 60):
        time.sleep(max(0, ended + second - time.monotonic()))
        samples[second] = round(node.resident() / MIB, 1)
        if node.resident() <= 1.25 * before:
            break
    figures = {
        "drill": "memory_back",
        "streams": STREAMS,
        "before_mb": round(before / MIB, 1),
        "during_mb": round(during / MIB, 1),
        "kib_per_stream": round((during - before) / STREAMS / 1024, 1),
        "after_mb": samples,
    }
    figure(json.dumps(figures))
    assert node.resident() <= 1.25 * before, figures
