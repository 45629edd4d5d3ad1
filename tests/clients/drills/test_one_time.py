"""One-time means once: codes and refresh tokens under races, on both stores and across two nodes."""

import time
from urllib.parse import urlsplit

import pytest

from drills.burst import burst
from drills.site import INITIALIZE, Site, refresh_form
from harness.browser import Browser

RACERS = 64
# For this long a second redemption counts as a retry of the same request and revokes nothing.
RETRY_WINDOW = 2
# So many times a stale token of a native client is taken for that of a process that slept.
STALE_HITS = 5


@pytest.fixture(params=["sqlite", "postgres", "two nodes"])
def nodes(request, site) -> list[Site]:
    """One node on either store, or two on one PostgreSQL."""
    if request.param == "sqlite":
        return [site()]
    store = request.getfixturevalue("cluster").database()
    first = site("first", store=store)
    return [first] if request.param == "postgres" else [first, site("second", store=store, of=first)]


def race(nodes: list[Site], form: dict) -> list:
    return burst([node.port for node in nodes], urlsplit(nodes[0].url).netloc, "/oauth2/token", [form] * RACERS)


def test_a_code_is_redeemed_once(nodes, figure):
    with Browser(verify=False) as browser:
        form = nodes[0].code(browser)
    began = time.monotonic()
    answers = race(nodes, form)
    took = time.monotonic() - began
    won = [answer for answer in answers if answer.status == 200]
    lost = [answer for answer in answers if answer.status != 200]
    assert len(won) == 1, [answer.status for answer in answers]
    assert all((one.status, one.json()["error"]) == (400, "invalid_grant") for one in lost)
    tokens = won[0].json()
    figure(f"{RACERS} redemptions of one code on {len(nodes)} node(s): 1 success, {took * 1000:.0f} ms for all")

    time.sleep(RETRY_WINDOW + 0.1)
    again = nodes[-1].token(form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    # Two parties hold the code, so everything that was issued for it ends, on every node.
    refreshed = nodes[0].refresh(tokens["refresh_token"])
    assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")
    for node in nodes:
        wait_until_refused(node, tokens["access_token"])
    thefts = [one for node in nodes for one in node.audit() if one["event"] == "token.theft"]
    assert thefts, "the reuse of the code left no record"


def test_parallel_refreshes_get_one_successor(nodes, figure):
    first = nodes[0].tokens()["refresh_token"]
    began = time.monotonic()
    answers = race(nodes, refresh_form(first))
    took = time.monotonic() - began
    assert [answer.status for answer in answers] == [200] * RACERS
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1 and first not in successors
    figure(f"{RACERS} refreshes with one token on {len(nodes)} node(s): 1 successor, {took * 1000:.0f} ms for all")

    current = nodes[-1].refresh(successors.pop()).json()["refresh_token"]
    # The first token is two generations old now. A process that slept is refused and harms nobody; one that keeps
    # coming holds a stolen token, and the family ends.
    for _ in range(STALE_HITS):
        assert nodes[0].refresh(first).json()["error"] == "invalid_grant"
    answer = nodes[-1].refresh(current)
    assert answer.status_code == 200, answer.text
    for _ in range(STALE_HITS + 1):
        assert nodes[0].refresh(first).json()["error"] == "invalid_grant"
    assert nodes[-1].refresh(answer.json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_what_one_node_revokes_is_refused_at_the_other(site, cluster, figure):
    store = cluster.database()
    first = site("first", store=store)
    second = site("second", store=store, of=first)
    tokens = first.tokens()
    assert ping(second, tokens["access_token"]) == 200
    form = {"token": tokens["refresh_token"], "client_id": "native"}
    assert first.post("/oauth2/revoke", data=form).status_code == 200
    began = time.monotonic()
    # The node that was asked, and everything that asks the store, knows at once.
    assert ping(first, tokens["access_token"]) == 401
    assert second.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    wait_until_refused(second, tokens["access_token"])
    figure(f"a revocation reached the other node after {(time.monotonic() - began) * 1000:.0f} ms")


def ping(node: Site, token: str) -> int:
    """The status with which the MCP door answers the token."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    return node.post("/mcp", json=INITIALIZE, headers=headers).status_code


def wait_until_refused(node: Site, token: str, seconds: float = 5) -> None:
    """Other nodes read the feed of revocations about once a second."""
    end = time.monotonic() + seconds
    while (status := ping(node, token)) != 401:
        assert time.monotonic() < end, f"a revoked token still gets {status}"
        time.sleep(0.02)
