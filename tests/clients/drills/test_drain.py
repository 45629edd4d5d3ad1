"""SIGTERM: what runs is finished, nothing new begins, and whoever is in a hurry says it twice."""

import http.client
import signal
import socket
import time

from drills.site import Site
from upstreams.puppet import Messages


def begin(node: Site, puppet):
    """A stream, a reply and a tool call under way."""
    token = node.tokens()["access_token"]
    stream = node.begin_message({"do": "steps", "events": 50, "mark": "drain-stream"}, stream=True).getresponse()
    assert stream.readline(), "the stream did not begin"
    reply = node.begin_message({"do": "wait", "bytes": 5000, "mark": "drain-reply"}, stream=False)
    call = node.begin_call({"do": "wait", "mark": "drain-call"}, token)
    for mark in ("drain-stream", "drain-reply", "drain-call"):
        puppet.exchange(mark)
    return stream, reply, call


def wait_until(condition, seconds: float = 10) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, "it does not happen"
        time.sleep(0.01)
    return time.monotonic() - began


def is_refused(node: Site) -> bool:
    try:
        socket.create_connection(("127.0.0.1", node.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_what_runs_is_finished(site, puppet, figure):
    node = site()
    stream, reply, call = begin(node, puppet)
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

    for mark in ("drain-stream", "drain-reply", "drain-call"):
        puppet.release(mark)
    expected = b"".join(Messages().events(50))
    assert expected.endswith(stream.read())
    assert reply.getresponse().read() == Messages().whole(5000)
    assert b'"result"' in call.getresponse().read()
    done = time.monotonic()
    assert node.wait(10) == 0
    figure(f"SIGTERM: ended {(time.monotonic() - done) * 1000:.0f} ms after the last answer")

    node.verify_audit()
    records = node.audit()
    assert records[-1]["event"] == "node.stopped"
    finished = {record["event"]: record for record in records}
    assert {finished[kind]["outcome"] for kind in ("model.call", "tool.call")} == {"allow"}


def test_a_second_signal_ends_it_at_once(site, puppet, figure):
    node = site()
    stream, *_ = begin(node, puppet)
    node.signal(signal.SIGTERM)
    wait_until(lambda: is_refused(node))
    began = time.monotonic()
    node.signal(signal.SIGTERM)
    assert node.wait(10) == 1
    figure(f"a second SIGTERM: ended after {(time.monotonic() - began) * 1000:.0f} ms")
    try:
        assert not stream.read().endswith(b"0\r\n\r\n")
    except (http.client.IncompleteRead, ConnectionError):
        pass
    # What was not finished is on record, too, and the next start goes on behind it.
    node.start()
    node.verify_audit()
