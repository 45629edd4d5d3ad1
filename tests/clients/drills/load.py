"""Clients that keep a gateway busy and remember what it has acknowledged."""

import random
import threading
import time
from dataclasses import dataclass, field

import httpx

from drills.site import Site, refresh_form
from harness.browser import Browser
from harness.house import claims_of


@dataclass
class Ledger:
    """What a client of the gateway may rely on. A thread of its own writes each list."""

    issued: list[str] = field(default_factory=list)
    """Ids of access tokens that a client got."""
    latest: dict[int, str] = field(default_factory=dict)
    """The last refresh token that each refreshing client got."""
    waiting: list[dict] = field(default_factory=list)
    """Codes that were handed out and not presented yet."""
    presented: list[dict] = field(default_factory=list)
    """Codes whose redemption was not answered."""
    redeemed: list[tuple[dict, dict]] = field(default_factory=list)
    """Codes whose redemption was answered, with the tokens."""
    revoked: list[dict] = field(default_factory=list)
    """Tokens whose revocation was answered."""
    asked: list[tuple[float, str]] = field(default_factory=list)
    """When model and tool calls were answered, and their request ids."""


class Load:
    """Twelve clients, each in a thread, until `end`. `the_end_is_near` says when failures are to be expected."""

    def __init__(self, site: Site):
        self._site, self.ledger = site, Ledger()
        self._over = threading.Event()
        self.the_end_is_near = threading.Event()
        self.failures: list[BaseException] = []
        tokens = [site.tokens() for _ in range(3)]
        self._token = tokens[0]["access_token"]
        self._browsers = [Browser(verify=False), Browser(verify=False)]
        for browser in self._browsers:  # a session each, so that codes come without a password
            self.ledger.waiting.append(site.code(browser))
        site.mcp_headers(self._token)
        clients = [lambda number=number, one=one: self._refresh(number, one) for number, one in enumerate(tokens)]
        clients += [lambda browser=browser: self._redeem(browser) for browser in self._browsers]
        clients += [self._machine, self._machine, self._ask, self._ask, self._ask, self._call, self._call]
        self._threads = [threading.Thread(target=self._repeat, args=(client,)) for client in clients]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.the_end_is_near.set()
        self._over.set()
        for thread in self._threads:
            thread.join(30)
        for browser in self._browsers:
            browser.__exit__()

    def _repeat(self, client) -> None:
        while not self._over.is_set():
            try:
                client()
            except httpx.TransportError as failure:
                if not self.the_end_is_near.is_set():
                    self.failures.append(failure)
                return
            except BaseException as failure:
                self.failures.append(failure)
                return

    def _tokens(self, answer: httpx.Response) -> dict:
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        self.ledger.issued.append(claims_of(tokens["access_token"])["jti"])
        return tokens

    def _refresh(self, number: int, first: dict) -> None:
        latest = self.ledger.latest.setdefault(number, first["refresh_token"])
        self.ledger.latest[number] = self._tokens(self._site.token(refresh_form(latest)))["refresh_token"]

    def _redeem(self, browser: Browser) -> None:
        form = self._site.code(browser)
        if random.random() < 0.2:
            self.ledger.waiting.append(form)
            return
        self.ledger.presented.append(form)
        tokens = self._tokens(self._site.token(form))
        self.ledger.presented.remove(form)
        if random.random() < 0.3:
            form = {"token": tokens["refresh_token"], "client_id": "native"}
            answer = self._site.post("/oauth2/revoke", data=form)
            assert answer.status_code == 200, answer.text
            self.ledger.revoked.append(tokens)
        else:
            self.ledger.redeemed.append((form, tokens))

    def _machine(self) -> None:
        self._tokens(self._site.machine())

    def _ask(self) -> None:
        self._note(self._site.ask({"do": "reply", "bytes": 2000}))

    def _call(self) -> None:
        self._note(self._site.call({"do": "reply", "bytes": 2000}, self._token))

    def _note(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200 and b"error" not in answer.content[:60], answer.text[:500]
        self.ledger.asked.append((time.monotonic(), answer.headers["request-id"]))
