"""More idle connections than there may be, from many addresses: whoever is new gets in."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

from drills.crowd import Bystander, address, connect, raise_open_files, request

CONNECTIONS = int(os.environ.get("DRILL_CONNECTIONS", "10200"))
ADDRESSES = 41


def test_new_clients_get_in_past_idle_connections(site, figure):
    files = raise_open_files()
    count = min(CONNECTIONS, files - 2_000)
    node = site()
    before = node.resident()
    held, failed = [], []

    def rest(number: int) -> None:
        """A connection that asks once and then stays. What never asks has seconds only."""
        try:
            connection = connect(node, address(number % ADDRESSES))
            held.append(connection)
            connection.sendall(request(node))
            connection.recv(65536)
        except OSError as error:
            failed.append(repr(error))

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rest, range(count)))
    took = time.monotonic() - began
    with Bystander(node) as new:
        time.sleep(3)
    limits = node.status()["limits"]
    figures = {
        "drill": "idle_crowd",
        "connections": count,
        "opened_in_s": round(took, 1),
        "limit": limits["http.limits.connections"],
        "refused": len(failed),
        "kib_each": round((node.resident() - before) / count / 1024, 1),
        "new_clients": new.figures(),
    }
    figure(json.dumps(figures))
    for connection in held:
        connection.close()
    assert figures["new_clients"]["errors"] == 0, figures
    assert not failed, failed[:3]
    if count > limits["http.limits.connections"]["limit"]:
        assert limits["http.limits.connections"]["hits"] >= count - limits["http.limits.connections"]["limit"]


def test_an_address_that_is_full_displaces_its_own_idle_connections_and_no_other(site):
    node = site(LIMITS="{ connections: 60, perAddress: 20 }")
    other = connect(node, address(1))
    mine = [connect(node, address(2)) for _ in range(20)]
    for connection in (other, *mine):
        connection.sendall(request(node))
        assert connection.recv(65536)
    newest = connect(node, address(2))
    newest.sendall(request(node))
    assert newest.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert mine[0].recv(65536) == b"", "the one that rested for longest"
    for connection in (other, *mine[1:]):
        connection.sendall(request(node))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert node.status()["limits"]["http.limits.perAddress"] == {"limit": 20, "hits": 1}
