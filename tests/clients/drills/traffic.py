"""Clients of several nodes that go on through whatever happens, and write down how they fared."""

import threading
import time
from dataclasses import dataclass, field

import httpx

from drills.site import INITIALIZE, Site, refresh_form
from harness.browser import Browser


@dataclass
class Fared:
    """What happened, with its time."""

    written: list[float] = field(default_factory=list)
    """Writes that were acknowledged."""
    put_off: list[float] = field(default_factory=list)
    """Writes that were refused as something that passes."""
    verified: list[float] = field(default_factory=list)
    """Calls that need nothing but a token that can be verified."""
    failures: list[str] = field(default_factory=list)
    """Whatever else came back."""
    redeemed: list[dict] = field(default_factory=list)
    """Codes that were redeemed."""


class Traffic:
    """Refreshes, redemptions and calls against `nodes`, each client at another node for every request. A node that
    refuses the connection is passed over, and one that was taken out of rotation not asked, as a balancer would."""

    def __init__(self, nodes: list[Site]):
        self._nodes, self.fared = list(nodes), Fared()
        self._over = threading.Event()
        self._turn = 0
        tokens = [nodes[0].tokens() for _ in range(3)]
        self.access_token = tokens[0]["access_token"]
        self._browser = Browser(verify=False)
        nodes[0].code(self._browser)
        self.latest: dict[int, str] = {number: one["refresh_token"] for number, one in enumerate(tokens)}
        works = [lambda number=number: self._refresh(number) for number in self.latest]
        works += [self._redeem, self._verify, self._verify]
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)
        self._browser.__exit__()

    def take_out(self, node: Site) -> None:
        """Sends `node` nothing any more. Returns when what was under way to it has arrived."""
        self._nodes = [one for one in self._nodes if one is not node]
        time.sleep(0.5)

    def put_back(self, node: Site) -> None:
        """Sends requests to `node` too."""
        self._nodes = [*self._nodes, node]

    def _repeat(self, work) -> None:
        while not self._over.is_set():
            try:
                work()
            except Exception as failure:
                self.fared.failures.append(repr(failure))
                time.sleep(0.1)

    def _post(self, path: str, **options) -> httpx.Response:
        for _ in range(200):
            self._turn += 1
            nodes = self._nodes
            node = nodes[self._turn % len(nodes)]
            try:
                # A connection for each request, so that a node that stops is not asked again.
                return httpx.post(f"{node.base}{path}", timeout=30, trust_env=False, verify=False, **options)
            except httpx.ConnectError:
                time.sleep(0.02)
        raise AssertionError("no node takes connections")

    def _acknowledged(self, answer: httpx.Response) -> bool:
        now = time.monotonic()
        if answer.status_code == 503:
            self.fared.put_off.append(now)
            time.sleep(0.02)
            return False
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}"
        self.fared.written.append(now)
        return True

    def _refresh(self, number: int) -> None:
        answer = self._post("/oauth2/token", data=refresh_form(self.latest[number]))
        if self._acknowledged(answer):
            self.latest[number] = answer.json()["refresh_token"]

    def _redeem(self) -> None:
        try:
            form = self._nodes[0].code(self._browser)
        except (AssertionError, KeyError, httpx.HTTPError):
            # Sign-in pages answer an outage in several ways, which other drills look at.
            self.fared.put_off.append(time.monotonic())
            time.sleep(0.1)
            return
        if self._acknowledged(self._post("/oauth2/token", data=form)):
            self.fared.redeemed.append(form)

    def _verify(self) -> None:
        headers = {"authorization": f"Bearer {self.access_token}", "accept": "application/json, text/event-stream"}
        answer = self._post("/mcp", json=INITIALIZE, headers=headers)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}"
        self.fared.verified.append(time.monotonic())
        time.sleep(0.005)
