"""SIGTERM: what runs is finished, nothing new begins, and whoever is in a hurry says it twice."""

import http.client
import signal
import socket
import time

import pytest

from drills.site import Site
from upstreams.puppet import Messages


class UnderWay:
    """A stream, a reply and a tool call that wait for the upstream to be released."""

    def __init__(self, node: Site, puppet, name: str):
        self._puppet, self._marks = puppet, [f"{name} {kind}" for kind in ("stream", "reply", "call")]
        stream, reply, call = self._marks
        token = node.tokens()["access_token"]
        self.stream = node.begin_message({"do": "steps", "events": 50, "mark": stream}, stream=True).getresponse()
        assert self.stream.readline(), "the stream did not begin"
        self.reply = node.begin_message({"do": "wait", "bytes": 5000, "mark": reply}, stream=False)
        self.call = node.begin_call({"do": "wait", "mark": call}, token)
        for mark in self._marks:
            puppet.exchange(mark)

    def release(self) -> None:
        for mark in self._marks:
            self._puppet.release(mark)


def wait_until(condition, seconds: float = 10) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, "it does not happen"
        time.sleep(0.01)
    return time.monotonic() - began


def is_refused(node: Site) -> bool:
    try:
        socket.create_connection(("127.0.0.1", node.port), timeout=5).close()
    # One that waited to be accepted when the listener closed is reset.
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def test_what_runs_is_finished(site, puppet, figure):
    node = site()
    under_way = UnderWay(node, puppet, "drain")
    idle = node.connect()
    idle.request("GET", "/.well-known/openid-configuration")
    assert idle.getresponse().read()

    node.signal(signal.SIGTERM)
    refused = wait_until(lambda: is_refused(node))
    unready = refused + wait_until(lambda: node.readyz() != 200)
    assert node.readyz() == 503
    figure(f"SIGTERM: connections refused after {refused * 1000:.0f} ms, not ready after {unready * 1000:.0f} ms")
    assert idle.sock.recv(1) == b"", "an idle connection stays open"
    assert node.process.is_running()

    under_way.release()
    expected = b"".join(Messages().events(50))
    assert expected.endswith(under_way.stream.read())
    assert under_way.reply.getresponse().read() == Messages().whole(5000)
    assert b'"result"' in under_way.call.getresponse().read()
    done = time.monotonic()
    assert node.wait(10) == 0
    figure(f"SIGTERM: ended {(time.monotonic() - done) * 1000:.0f} ms after the last answer")

    node.verify_audit()
    records = node.audit()
    assert [record["event"] for record in records[-2:]] == ["node.stopped", "audit.closed"]
    finished = {record["event"]: record for record in records}
    assert {finished[kind]["outcome"] for kind in ("model.call", "tool.call")} == {"allow"}


def test_a_second_signal_ends_it_at_once(site, puppet, figure):
    node = site()
    under_way = UnderWay(node, puppet, "hurry")
    node.signal(signal.SIGTERM)
    wait_until(lambda: is_refused(node))
    began = time.monotonic()
    node.signal(signal.SIGTERM)
    assert node.wait(10) == 1
    figure(f"a second SIGTERM: ended after {(time.monotonic() - began) * 1000:.0f} ms")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        under_way.stream.read()
    node.verify_audit()
    given_up = [one for one in node.audit() if one["event"] in ("model.call", "tool.call")]
    said = [(one["outcome"], one["reason"]) for one in given_up]
    assert said == [("error", "gateway_stopping")] * 3, "what was given up left no record, or blames its client"
