"""PgBouncer between the nodes and the database, in transaction mode: found out, or worked with."""

import json
import time

import pytest

from drills.cluster import Cluster, PgBouncer, store, url
from drills.site import Site
from drills.test_one_time import race
from harness.browser import Browser
from harness.process import run

OURS = "extra_float_digits,options"


@pytest.fixture(scope="module")
def server():
    with Cluster() as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("ignored", "said"),
    [("", "that is a pooler"), (OURS, "drops the startup parameter `options`")],
    ids=["refused by the pooler", "dropped by the pooler"],
)
def test_a_pooler_that_nobody_mentioned_is_found_out(binary, tmp_path, puppet, server, figure, ignored, said):
    with PgBouncer(server, ignore_startup_parameters=ignored) as pooler:
        node = Site(binary, tmp_path / "node", puppet, store=store(url(pooler.port, server.new_database())))
        command = [binary, "serve", "--config", node.folder / "gatehouse.yaml"]
        ended = run(command, cwd=node.folder, env={"PATH": "/usr/bin:/bin"}, timeout=20)
    assert ended.code == 1, ended.err
    assert said in ended.err and "`store.postgres.pooler: transaction`" in ended.err, ended.err
    last = ended.err.strip().splitlines()[-1]
    figure(json.dumps({"drill": "PGD-9", "pooler": "none", "ignored": ignored, "exit": ended.code, "said": last}))


def test_two_nodes_work_behind_a_pooler(site, server, figure):
    with PgBouncer(server) as pooler:
        database = server.new_database()
        behind = store(url(pooler.port, database), pooler="transaction", maxConnections="10")
        first = site("first", store=behind)
        nodes = [first, site("second", store=behind, of=first)]

        with Browser(verify=False) as browser:
            form = nodes[0].code(browser)
        began = time.monotonic()
        answers = race(nodes, form)
        raced = time.monotonic() - began
        won = [answer for answer in answers if answer.status == 200]
        assert len(won) == 1, [answer.status for answer in answers]
        assert all(answer.status in (200, 400) for answer in answers), [answer.status for answer in answers]

        tokens = nodes[1].tokens()
        rounds, began = 100, time.monotonic()
        for number in range(rounds):
            answer = nodes[number % 2].refresh(tokens["refresh_token"])
            assert answer.status_code == 200, answer.text
            tokens = answer.json()
        refreshed = (time.monotonic() - began) / rounds
        assert b'"result"' in nodes[0].call({"do": "reply"}, tokens["access_token"]).content

        # The limits have come along: nobody waits for a lock for longer than 3 s.
        waited = wait_for_lock(nodes[0], server, database, tokens["refresh_token"])
        assert nodes[1].refresh(tokens["refresh_token"]).status_code == 200
        servers = int(server.query(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"))
        assert servers <= 4, "the pooler is not what the nodes talk to"
        for node in nodes:
            node.verify_audit()
    result = {
        "drill": "PGD-9",
        "pooler": "transaction",
        "race_ms": round(raced * 1000),
        "refresh_ms": round(refreshed * 1000, 1),
        "lock_cut_ms": round(waited * 1000),
    }
    figure(json.dumps(result))


def wait_for_lock(node: Site, server: Cluster, database: str, refresh_token: str) -> float:
    """How long a refresh waits for a table that somebody holds."""
    holder = server.hold("refresh_families", database)
    try:
        began = time.monotonic()
        answer = node.refresh(refresh_token)
        waited = time.monotonic() - began
    finally:
        holder.kill()
        holder.wait(10)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
    assert 2.5 < waited < 4.5, waited
    return waited
