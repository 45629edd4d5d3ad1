"""Honest streams: every byte in order, as it comes, in constant memory, and no work for clients that are gone."""

import hashlib
import json
import re
import select
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from drills.site import Site
from upstreams.puppet import Messages, tool_result

STREAMS = 20
EVENTS = 10_000
MEGABYTE = 1_000_000
MIB = 1024 * 1024
# A stream whose client reads slowly may hold this much.
PER_STREAM = 256 * 1024
# What the allocator keeps for itself, whatever the number of streams.
SLACK = 16 * MIB


@pytest.fixture(scope="module")
def node(binary, tmp_path_factory, puppet):
    with Site(binary, tmp_path_factory.mktemp("streams"), puppet) as node:
        yield node


@pytest.fixture(scope="module")
def token(node):
    return node.tokens()["access_token"]


def read_slowly(connection, piece: int, pause: float) -> bytes:
    """Everything of the answer, `piece` bytes at a time."""
    with connection.getresponse() as response:
        assert response.status == 200, response.read()
        received = []
        while data := response.read(piece):
            received.append(data)
            time.sleep(pause)
    return b"".join(received)


def at_once(connections: list, piece: int, pause: float) -> list[bytes]:
    """Reads from all connections at the same time."""
    bodies: list[bytes | None] = [None] * len(connections)

    def read(number: int) -> None:
        bodies[number] = read_slowly(connections[number], piece, pause)

    readers = [threading.Thread(target=read, args=(number,)) for number in range(len(connections))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return bodies


def growth(node: Site, work) -> int:
    """By how much memory was larger at its peak during `work` than before it."""
    node.forget_peak()
    before = node.resident()
    work()
    return node.resident(peak=True) - before


def largest_buffer(name: str) -> int:
    """To how many bytes the kernel lets a socket's buffer grow."""
    return int(Path("/proc/sys/net/ipv4", name).read_text().split()[2])


@pytest.mark.parametrize("kind", ["events", "whole"])
def test_large_replies_pass_byte_for_byte_in_constant_memory(node, figure, kind):
    order = {"do": "stream", "events": EVENTS} if kind == "events" else {"do": "reply", "bytes": MEGABYTE}
    expected = b"".join(Messages().events(EVENTS)) if kind == "events" else Messages().whole(MEGABYTE)
    assert kind == "events" or abs(len(expected) - MEGABYTE) < 1000
    digest = hashlib.sha256(expected).digest()

    def work():
        connections = [
            node.begin_message(order, stream=kind == "events", receive_buffer=32 * 1024) for _ in range(STREAMS)
        ]
        for body in at_once(connections, 32 * 1024, 0.01):
            assert hashlib.sha256(body).digest() == digest, f"{len(body)} bytes came, {len(expected)} were sent"

    work()  # what is allocated once and for all is not growth
    grown = growth(node, work)
    figure(
        f"{STREAMS} slow readers of {len(expected) / 1e6:.1f} MB ({kind}): memory grew by {grown / MIB:.1f} MiB"
        f" to {node.resident(peak=True) / MIB:.0f} MiB at most"
    )
    assert grown <= STREAMS * PER_STREAM + SLACK


def test_a_client_that_does_not_read_stops_the_upstream(node, puppet, figure):
    """Endless streams to clients that read nothing: what cannot be sent is not fetched."""
    marks = [f"flood-{number}" for number in range(STREAMS)]

    def work():
        orders = [{"do": "flood", "mark": mark} for mark in marks]
        connections = [node.begin_message(order, stream=True, receive_buffer=32 * 1024) for order in orders]
        floods = [puppet.exchange(mark) for mark in marks]
        written, end = None, time.monotonic() + 60
        while (now := [flood.written for flood in floods]) != written or not all(now):
            assert time.monotonic() < end, f"the upstreams go on sending: {now}"
            written = now
            time.sleep(0.5)
        for connection in connections:
            connection.close()
        for flood in floods:
            flood.wait_closed(10)
        # What the kernel may hold: sent by the upstream, received and sent by the gateway.
        kernel = 2 * largest_buffer("tcp_wmem") + largest_buffer("tcp_rmem")
        assert max(written) < kernel + MIB
        return max(written)

    grown = growth(node, work)
    figure(f"{STREAMS} endless streams to clients that read nothing: memory grew by {grown / MIB:.1f} MiB")
    assert grown <= STREAMS * PER_STREAM + SLACK


def test_a_large_tool_result_passes_byte_for_byte(node, token, figure):
    """The gateway reads a tool's result whole, because it checks it; the text of it stays as it was."""
    assert node.call({"do": "reply"}, token).status_code == 200
    expected = re.search(rb'"content":.*', tool_result(MEGABYTE), re.S)[0].rstrip(b"} ")

    def work():
        order = {"do": "reply", "bytes": MEGABYTE}
        for body in at_once([node.begin_call(order, token) for _ in range(STREAMS)], 32 * 1024, 0.01):
            assert expected in body, f"{len(body)} bytes came: {body[:100]} … {body[-100:]}"
            assert json.loads(body)["id"] == 7

    work()
    grown = growth(node, work)
    figure(f"{STREAMS} slow readers of a tool result of 1.0 MB: memory grew by {grown / MIB:.1f} MiB")
    assert grown <= STREAMS * 3 * MEGABYTE + SLACK


def test_the_first_event_arrives_before_the_second_is_sent(node, token, puppet):
    order = {"do": "steps", "events": 3, "mark": "steps-llm"}
    with node.begin_message(order, stream=True).getresponse() as response:
        first = read_event(response)
        assert first == Messages().events(3)[0]
        puppet.release("steps-llm")
        assert response.read() == b"".join(Messages().events(3)[1:])

    order = {"do": "steps", "events": 3, "mark": "steps-mcp"}
    with node.begin_call(order, token, progress=True).getresponse() as response:
        assert b'"notifications/progress"' in read_event(response)
        puppet.release("steps-mcp")
        rest = response.read()
        assert b'"notifications/progress"' in rest and b'"result"' in rest


def read_event(response) -> bytes:
    """The next event of a stream, with the empty line after it."""
    event = b""
    while not event.endswith(b"\n\n"):
        line = response.readline()
        assert line, f"the stream ended after {event!r}"
        event += line
    return event


CUTS = {
    "a stream": ("stream", "llm", {"do": "flood"}),
    "a silent stream": ("stream", "llm", {"do": "steps", "events": 3}),
    "a reply not yet begun": ("whole", "llm", {"do": "wait"}),
    "half a reply": ("whole", "llm", {"do": "half", "bytes": 200_000}),
    "a tool call": ("whole", "mcp", {"do": "wait"}),
    "a tool call with progress": ("stream", "mcp", {"do": "steps", "events": 3}),
    "half a tool result": ("whole", "mcp", {"do": "half", "bytes": 200_000}),
    "a call of a REST API": ("whole", "rest", {"do": "wait"}),
}


@pytest.mark.parametrize("goodbye", ["FIN", "RST"])
@pytest.mark.parametrize("kind", CUTS)
def test_a_client_that_disconnects_cancels_the_upstream(node, token, puppet, figure, kind, goodbye):
    form, door, order = CUTS[kind]
    took = []
    for number in range(5):
        order = {**order, "mark": f"cut {kind} {goodbye} {number}"}
        if door == "llm":
            connection = node.begin_message(order, stream=form == "stream")
        else:
            tool = "puppet_act" if door == "mcp" else "rest_act"
            arguments = order if door == "mcp" else {"body": order}
            connection = node.begin_call(arguments, token, tool=tool, progress=form == "stream")
        exchange = puppet.exchange(order["mark"])
        if form == "stream":
            select.select([connection.sock], [], [], 20)
            assert connection.sock.recv(4096), "the stream did not begin"
        if goodbye == "RST":
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left = time.monotonic()
        if goodbye == "FIN":
            connection.sock.shutdown(socket.SHUT_RDWR)
        connection.sock.close()
        took.append(exchange.wait_closed(10) - left)
        assert took[-1] >= 0, "the upstream was given up before the client left"
    figure(f"{kind}, given up by {goodbye}: upstream cancelled after {max(took) * 1000:.1f} ms at most of 5")
    # 250 ms is promised; the rest is for machines that are busy with other things.
    assert max(took) < 1
