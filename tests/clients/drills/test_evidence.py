"""Evidence stays whole and the disk does too: refusals without end, a killed process, hashes computed anew.

`GATEHOUSE_REFUSALS=1000000` runs the flood in full; CI sends fewer, and holds them to what a second may write.
"""

import hashlib
import json
import os
import re
import signal
import time
from collections import Counter

import pytest

from drills.flood import Flood, kinds
from harness.process import run

REFUSALS = int(os.environ.get("GATEHOUSE_REFUSALS", "60000"))
MOST_BYTES = 50_000_000
"""What a million refusals may write, audit and log together."""
MOST_BYTES_A_SECOND = 400_000
"""The same for any number of them: a hundred whole ones and some 250 counts, as record and as line."""
ADDRESSES = 300


def recorded(records: list[dict]) -> Counter:
    """Refusals in the audit log, by reason."""
    found: Counter[str] = Counter()
    for record in records:
        if record["outcome"] != "allow":
            found[record["reason"]] += record.get("counted", {}).get("count", 1)
    return found


def logged(lines: list[str]) -> Counter:
    """Refusals in the log lines, by reason."""
    found: Counter[str] = Counter()
    for line in map(json.loads, (line for line in lines if line.startswith("{"))):
        message = line.get("counted.message", line["message"])
        if message in ("request refused", "token request refused", "request failed"):
            found[line["reason"]] += line["count"] if "counted.message" in line else 1
    return found


@pytest.fixture
def signed(site, binary, tmp_path):
    """A node whose log is signed every second, and the public key."""
    key = tmp_path / "audit-key.pem"
    made = run([binary, "audit", "new-key", key], cwd=tmp_path, env={"PATH": os.defpath}).check().out
    public = re.search(r"public key: (\S+)", made)[1]
    node = site(CHECKPOINTS=f'key: "file://{key}", everySeconds: 1')
    return node, public


def verify(node, *options: str):
    command = [node.binary, "audit", "verify", node.audit_file, *options]
    return run(command, cwd=node.folder, env={"PATH": os.defpath}, timeout=300)


def size(node) -> int:
    return node.audit_file.stat().st_size + sum(len(line) + 1 for line in node.process.err)


def test_a_million_refusals_leave_the_disk_and_the_counts_whole(signed, figure):
    node, public = signed
    tokens = node.tokens()
    began, empty = time.monotonic(), size(node)
    times = []
    with Flood(node.port, REFUSALS, addresses=ADDRESSES) as flood:
        while not flood.is_over:
            at = time.monotonic()
            answer = node.call({"do": "reply"}, tokens["access_token"])
            assert answer.status_code == 200, answer.text
            times.append(time.monotonic() - at)
            time.sleep(0.02)
    seconds = time.monotonic() - began
    node.signal(signal.SIGTERM)
    assert node.wait(60) == 0
    answered, written = flood.answered, size(node) - empty
    sent = sum(answered.values())
    times.sort()
    measured = {
        "drill": "refusals",
        "requests": sent,
        "seconds": round(seconds, 1),
        "audit_and_log_bytes": written,
        "others_p50_ms": round(times[len(times) // 2] * 1000, 1),
        "others_p99_ms": round(times[int(len(times) * 0.99)] * 1000, 1),
        "others_errors": 0,
    }
    figure(json.dumps(measured))
    assert sent > REFUSALS * 0.9
    assert written < MOST_BYTES_A_SECOND * (seconds + 2)
    assert written < MOST_BYTES or sent > 1_100_000
    records = node.audit()
    expected = Counter({kind.reason: answered[kind.reason] for kind in kinds("x") if kind.event})
    found = recorded(records)
    assert {reason: found[reason] for reason in expected} == dict(expected)
    # A call without a credential is how a sign-in begins: it is on record, and no line.
    told = {reason: count for reason, count in answered.items() if reason != "credential_missing"}
    lines = logged(node.process.err)
    assert {reason: lines[reason] for reason in told} == told
    proven = verify(node, "--key", public).check().out
    assert f"the records 1 to {records[-1]['seq']} stand behind a signature" in proven, proven


def test_a_killed_process_loses_at_most_the_last_second_of_counts(signed, figure):
    node, public = signed
    with Flood(node.port, 10_000, addresses=20) as flood:
        pass
    time.sleep(2.5)
    node.process.kill()
    found = recorded(node.audit())
    expected = {kind.reason: flood.answered[kind.reason] for kind in kinds("x") if kind.event}
    assert {reason: found[reason] for reason in expected} == expected
    # What was cut off and what was written anew is told apart from what is proven.
    node.start()
    node.signal(signal.SIGTERM)
    assert node.wait(60) == 0
    proven = verify(node, "--key", public)
    assert proven.code == 0 and "opened 1 times without having been closed" in proven.out, proven.out


def test_hashes_computed_anew_are_found_and_a_cut_log_is_told(signed, figure):
    node, public = signed
    Flood(node.port, 500, addresses=1).__enter__().__exit__()
    node.signal(signal.SIGTERM)
    assert node.wait(60) == 0
    lines = node.audit_file.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if "credential_missing" in line or "invalid_client" in line)
    forged = chained_anew([*lines[:at], lines[at].replace("127.1.0.1", "192.0.2.9"), *lines[at + 1 :]])
    node.audit_file.write_text(forged)
    assert verify(node).code == 0, "the chain alone sees nothing"
    found = verify(node, "--key", public)
    assert found.code == 1 and "its signature is of another log" in found.err, found.err
    node.audit_file.write_text("".join(f"{line}\n" for line in lines[:at]))
    node.start()
    node.signal(signal.SIGTERM)
    assert node.wait(60) == 0
    compared = next(record for record in node.audit() if record["event"] == "audit.compared")
    assert (compared["outcome"], compared["reason"]) == ("error", "audit_shortened")
    assert any("the audit log was shortened" in line for line in node.process.err)
    figure(json.dumps({"drill": "forgery", "records": len(lines), "found": found.err.strip().split(": ", 2)[-1]}))


def chained_anew(lines: list[str]) -> str:
    """What somebody makes of a log who may write the file."""
    previous, text = "0" * 64, ""
    for line in lines:
        body = line[: line.rindex(',"prev_hash":"')] + f',"prev_hash":"{previous}"'
        previous = hashlib.sha256(body.encode()).hexdigest()
        text += f'{body},"hash":"{previous}"}}\n'
    return text
