"""Upstreams that answer without measure: memory stays bounded, and callers of other upstreams notice nothing.

`FLOOD_SECONDS` says how long each flood lasts; short by default."""

import json
import os
import statistics
import threading
import time

import httpx
import pytest

from drills.site import Site, refresh_form
from upstreams.flood import Flood

SECONDS = float(os.environ.get("FLOOD_SECONDS", "6"))
MIB = 1024 * 1024
# Issue 6, A2.
MOST = 600 * MIB


@pytest.fixture(scope="module")
def flood():
    with Flood() as flood:
        yield flood


@pytest.fixture
def node(binary, tmp_path, puppet, flood):
    with Site(binary, tmp_path / "floods", puppet, house="floods.yaml", FLOOD=flood.origin) as node:
        yield node


def tokens(node: Site, count: int) -> list[str]:
    """So many access tokens of one user: lists are kept for each of them."""
    answer = node.tokens()
    found = [answer["access_token"]]
    while len(found) < count:
        refreshed = node.token(refresh_form(answer["refresh_token"]))
        assert refreshed.status_code == 200, refreshed.text
        answer = refreshed.json()
        found.append(answer["access_token"])
    return found


class Others:
    """Clients that call a tool of another upstream meanwhile."""

    def __init__(self, node: Site, token: str):
        self._node, self._token = node, token
        self.took: list[float] = []
        self.errors = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Others":
        assert self._node.call({"do": "reply"}, self._token).status_code == 200
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                answer = self._node.call({"do": "reply"}, self._token)
                if answer.status_code != 200 or "error" in answer.json() or answer.json()["result"].get("isError"):
                    self.errors += 1
            except httpx.HTTPError:
                self.errors += 1
            self.took.append((time.monotonic() - began) * 1000)
            time.sleep(0.005)

    def figures(self) -> dict:
        cuts = statistics.quantiles(self.took, n=100)
        return {"calls": len(self.took), "p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1), "errors": self.errors}


def attack(node: Site, callers: list[str], path: str, message: dict, seconds: float) -> dict[str, int]:
    """Every caller asks again and again; what came of it, counted."""
    outcomes: dict[str, int] = {}
    end = time.monotonic() + seconds
    lock = threading.Lock()

    def run(token: str) -> None:
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": message["method"],
        }
        if name := message["params"].get("name"):
            headers["mcp-name"] = name
        with httpx.Client(base_url=node.base, timeout=60, trust_env=False, verify=False) as client:
            first = True
            while first or time.monotonic() < end:
                first = False
                answer = client.post(path, json=message, headers=headers)
                with lock:
                    outcome = outcome_of(answer)
                    outcomes[outcome] = outcomes.get(outcome, 0) + 1

    threads = [threading.Thread(target=run, args=(token,)) for token in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def outcome_of(answer: httpx.Response) -> str:
    if answer.status_code != 200:
        return f"HTTP {answer.status_code}"
    text = answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        text = text.rstrip().rsplit("\n\n", 1)[-1].removeprefix("data: ")
    result = json.loads(text).get("result", {})
    if "tools" in result:
        return "tools" if result["tools"] else "no tools"
    return result["content"][0]["text"].split(" (request")[0] if "content" in result else "error"


def meta() -> dict:
    return {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "drill", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": "p",
    }


def message(method: str, **params) -> dict:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta()}}


CASES = {
    # Pages of 15 MB with ever new cursors.
    "endless": (4, message("tools/list"), {"tools"}),
    # A thousand tools with 400 annotations each, another list for every caller.
    "hints": (40, message("tools/list"), {"tools"}),
    "result": (8, message("tools/call", name="t0000", arguments={}), None),
    "progress": (4, message("tools/call", name="t0000", arguments={}), None),
    "event": (8, message("tools/call", name="t0000", arguments={}), None),
}


@pytest.mark.parametrize("kind", CASES)
def test_floods_of_upstreams(node, flood, figure, kind):
    count, order, expected = CASES[kind]
    callers = tokens(node, count + 1)
    bystander = callers.pop()
    flood.sent = 0
    with Others(node, bystander) as others:
        node.forget_peak()
        cpu = node.cpu_seconds()
        outcomes = attack(node, callers, f"/mcp/{kind}", order, SECONDS)
        cpu = node.cpu_seconds() - cpu
        peak = node.resident(peak=True)
    figures = {
        "drill": f"upstream flood: {kind}",
        "callers": count,
        "sent_mb": flood.sent // 1_000_000,
        "peak_rss_mib": peak // MIB,
        "cpu_s": round(cpu, 1),
        "others": others.figures(),
        "outcomes": outcomes,
    }
    figure(json.dumps(figures))
    assert peak <= MOST
    assert others.errors == 0
    if expected:
        assert set(outcomes) == expected, outcomes
    else:
        assert all("answered more than 16777216 bytes" in outcome for outcome in outcomes), outcomes
