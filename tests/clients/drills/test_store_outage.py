"""The store goes away while the gateway runs: what needs it says so quickly, what does not goes on."""

import time

import pytest

from drills.full_disk import WITHOUT_SIGNAL, empty_disk, fill_disk
from drills.site import REDIRECT, Site
from harness.browser import Browser

# Finding out takes 2 s for want of a connection, 6 s if a connection is there and nobody answers. After that every
# request hears it at once. What is added is for machines that are busy with other things.
FINDING_OUT = {"gone": 2 + 4, "hung": 6 + 4}
KNOWN = 1


@pytest.fixture
def node(site, cluster) -> Site:
    return site(store=cluster.database())


@pytest.mark.parametrize("how", ["gone", "hung"])
def test_calls_go_on_without_the_store(node, cluster, figure, how):
    tokens = node.tokens()
    model_token = node.tokens(resource=node.url)["access_token"]
    with Browser(verify=False) as browser:
        code = node.code(browser)
    assert node.call({"do": "reply"}, tokens["access_token"]).status_code == 200

    (cluster.stop if how == "gone" else cluster.hang)()
    try:
        began = time.monotonic()
        refused = node.refresh(tokens["refresh_token"])
        first = time.monotonic() - began
        assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable"), refused.text
        assert first < FINDING_OUT[how]
        later = refuse(node, tokens, code)
        # Tools and models go on, so the node stays in rotation and says what is missing.
        assert node.readiness() == {"ready": True, "degraded": ["store"]}
        for _ in range(20):
            assert node.ask({"do": "reply"}).status_code == 200
            assert node.ask({"do": "reply"}, token=model_token).status_code == 200
            assert b'"result"' in node.call({"do": "reply"}, tokens["access_token"]).content
        # Client credentials need nothing but the configuration and the keys in memory.
        assert node.machine().status_code == 200
    finally:
        (cluster.resume if how == "gone" else cluster.wake)()

    began = time.monotonic()
    while node.readiness()["degraded"]:
        assert time.monotonic() < began + 20, "it does not recover"
        time.sleep(0.01)
    recovered = time.monotonic() - began
    # Whether or not the server did what it was asked before it hung: nobody is locked out.
    assert node.refresh(tokens["refresh_token"]).status_code == 200
    assert node.token(code).status_code == 200
    node.verify_audit()
    figure(
        f"PostgreSQL {how}: 503 after {first * 1000:.0f} ms, from then on after {later * 1000:.0f} ms at most, model "
        f"and tool calls went on; ready {recovered * 1000:.0f} ms after its return"
    )


def test_a_full_disk_loses_nothing(binary, tmp_path, puppet, figure):
    with Site(binary, tmp_path / "node", puppet) as node:
        node.process.kill()
        node.start(*WITHOUT_SIGNAL)
        tokens = node.tokens()
        log = node.folder / "gatehouse.db-wal"
        assert log.stat().st_size > node.audit_file.stat().st_size, "the audit log must have room for this drill"
        fill_disk(node, log)
        refused = 0
        for _ in range(5):
            answer = node.refresh(tokens["refresh_token"])
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
            refused += 1
            assert node.ask({"do": "reply"}).status_code == 200
        empty_disk(node)
        # Nothing was half written: the same token works once there is room.
        answer = node.refresh(tokens["refresh_token"])
        assert answer.status_code == 200, answer.text
        assert node.refresh(answer.json()["refresh_token"]).status_code == 200
        node.process.kill()
        node.start()
        assert node.refresh(answer.json()["refresh_token"]).status_code == 200
        node.verify_audit()
        figure(f"SQLite on a full disk: {refused} writes refused, model calls went on, nothing lost")


def refuse(node: Site, tokens: dict, code: dict) -> float:
    """What needs the store is refused in its own dialect, as something that passes. Returns the longest wait."""
    revocation = {"token": tokens["refresh_token"], "client_id": "native"}
    waits = []
    for ask in (
        lambda: node.refresh(tokens["refresh_token"]),
        lambda: node.token(code),
        lambda: node.post("/oauth2/revoke", data=revocation),
    ):
        began = time.monotonic()
        answer = ask()
        waits.append(time.monotonic() - began)
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
        assert int(answer.headers["retry-after"]) >= 1
    query = f"response_type=code&client_id=native&redirect_uri={REDIRECT}&code_challenge={'a' * 43}"
    with Browser(verify=False) as browser:
        began = time.monotonic()
        page = browser.fetch("GET", f"{node.base}/oauth2/auth?{query}&code_challenge_method=S256&state=s")
        waits.append(time.monotonic() - began)
    if page.status_code == 303:  # RFC 6749 §4.1.2.1 has a code for it
        assert "error=temporarily_unavailable" in page.headers["location"]
    else:
        assert page.status_code == 503 and page.headers["content-type"].startswith("text/html"), page.text
    assert max(waits) < KNOWN
    return max(waits)
