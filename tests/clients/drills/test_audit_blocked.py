"""The audit log cannot be written: tokens are refused at once, calls while there is no room to keep their records."""

import time

import pytest

from drills.full_disk import WITHOUT_SIGNAL, empty_disk, fill_disk
from drills.site import Site

SPOOL_RECORDS = 64
@pytest.fixture
def node(binary, tmp_path, puppet, cluster):
    """A node whose only file is the audit log, and that gets an error instead of a signal when it is full."""
    with Site(binary, tmp_path / "node", puppet, store=cluster.database(), SPOOL=SPOOL_RECORDS) as node:
        node.process.kill()
        node.start(*WITHOUT_SIGNAL)
        yield node


def test_doors_close_while_the_log_is_blocked(node, figure):
    tokens = node.tokens()
    assert node.ask({"do": "reply"}).status_code == 200
    assert node.call({"do": "reply"}, tokens["access_token"]).status_code == 200
    # The log has no writes under way when the last record of the last call is in it.
    end = time.monotonic() + 10
    while [one["event"] for one in node.audit()][-1] != "tool.call":
        assert time.monotonic() < end
        time.sleep(0.01)

    fill_disk(node, node.audit_file)
    # No token without a durable record.
    for ask in (node.machine, lambda: node.refresh(tokens["refresh_token"])):
        answer = ask()
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
    # Calls go on as long as their records can be kept, and not one further.
    answers = []
    while (answer := node.ask({"do": "reply"})).status_code == 200:
        answers.append(answer)
        assert len(answers) < 4 * SPOOL_RECORDS, "calls go on without records"
    assert len(answers) > SPOOL_RECORDS / 4
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "overloaded_error"), answer.text
    assert "retry-after" in answer.headers
    call = node.call({"do": "reply"}, tokens["access_token"])
    assert call.status_code == 503 and b'"result"' not in call.content, call.text
    refused = node.post("/v1/messages", json={}, headers={"x-api-key": "wrong"})
    assert refused.status_code == 503, "an attempt to get in left no record"

    empty_disk(node)
    began = time.monotonic()
    while node.machine().status_code != 200:
        assert time.monotonic() < began + 20, "the log is not written again"
        time.sleep(0.05)
    figure(
        f"audit log blocked: tokens refused at once, calls after {len(answers)} with room for {SPOOL_RECORDS}; "
        f"open again {(time.monotonic() - began) * 1000:.0f} ms after there was room"
    )
    # The token that was refused for want of a record is not lost.
    assert node.refresh(tokens["refresh_token"]).status_code == 200
    assert node.call({"do": "reply"}, tokens["access_token"]).status_code == 200
    node.verify_audit()
    seen = {record.get("request", {}).get("id") for record in node.audit()}
    lost = [answer for answer in answers if answer.headers["request-id"] not in seen]
    assert not lost, f"{len(lost)} of {len(answers)} records are lost"
