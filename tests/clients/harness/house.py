"""A gateway with everything behind it: configuration from `houses/`, upstreams, users, tokens, evidence."""

import base64
import hashlib
import json
import re
import secrets
import ssl
import subprocess
import time
from functools import cache
from pathlib import Path

import httpx

from upstreams.directory import Directory, openapi
from upstreams.ledger import Ledger
from upstreams.model_provider import GREETING, KEY, ModelProvider

from .authority import Authority
from .browser import Browser, parameters
from .gateway import Gateway, free_port
from .home import CLIENTS

HOUSES = CLIENTS / "houses"
# What tools and models say here: content, which neither log nor audit trail may have.
CONTENT = {"Grace Hopper", "Blaise Pascal", "1048.20", GREETING}
PASSWORDS = {"ada": "ada's analytical engine", "bob": "bob's long password"}


@cache
def password_hash(binary: Path, username: str) -> str:
    """What `gatehouse hash-password` makes of the user's password."""
    command = [binary, "hash-password"]
    done = subprocess.run(command, input=PASSWORDS[username], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()


@cache
def new_key(binary: Path) -> tuple[str, str]:
    """A static API key and its hash, from `gatehouse new-key`."""
    done = subprocess.run([binary, "new-key"], capture_output=True, text=True, timeout=30, check=True)
    lines = dict(re.findall(r"^(key|hash):\s+(\S+)$", done.stdout, re.M))
    return lines["key"], lines["hash"]


class House:
    """A running gateway with its upstreams. `values` stand in its configuration as `@NAME@`."""

    def __init__(self, binary: Path, folder: Path, configuration: str = "whole.yaml", **values: str):
        folder.mkdir(parents=True, exist_ok=True)
        self._binary, self._folder = binary, folder
        self._configuration, self._values = configuration, values
        self.ledger, self.directory, self.provider = Ledger(), Directory(), ModelProvider()
        self.client_secret, self.gateway_secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.key, self._key_hash = new_key(binary)
        self.gateway: Gateway
        self.processes: list[Gateway] = []
        self.verify: ssl.SSLContext | bool = True
        self._inbound: set[str] = {self.key, self.client_secret, self.gateway_secret, *PASSWORDS.values()}

    def __enter__(self) -> "House":
        for upstream in (self.ledger, self.directory, self.provider):
            upstream.__enter__()
        try:
            self.url, self.mcp = self._start()
        except BaseException:
            self.__exit__()
            raise
        for upstream in (self.ledger, self.directory):
            upstream.trust(self.url, self.verify)
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self.processes):
            process.stop()
        for upstream in (self.ledger, self.directory, self.provider):
            upstream.__exit__()

    def _start(self) -> tuple[str, str]:
        """Starts what is tested; returns the URLs of the authorization server and of the MCP door."""
        self.gateway = self._serve(self._configuration, self._folder)
        return self.gateway.url, f"{self.gateway.url}/mcp"

    def _serve(self, configuration: str, folder: Path, **options) -> Gateway:
        folder.mkdir(exist_ok=True)
        (folder / "directory.json").write_text(json.dumps(openapi(self.directory.origin)))
        process = Gateway.start(self._binary, self._text((HOUSES / configuration).read_text()), folder, **options)
        self.processes.append(process)
        return process

    def _text(self, configuration: str) -> str:
        values = {
            "ADA_HASH": password_hash(self._binary, "ada"),
            "BOB_HASH": password_hash(self._binary, "bob"),
            "KEY_HASH": self._key_hash,
            "CLIENT_SECRET": self.client_secret,
            "GATEWAY_SECRET": self.gateway_secret,
            "PROVIDER_KEY": KEY,
            "PROVIDER": self.provider.origin,
            "LEDGER": self.ledger.url,
            "DIRECTORY": self.directory.url,
            "HOUSES": HOUSES,
            **self._values,
        }
        return re.sub(r"@(\w+)@", lambda match: str(values.get(match[1], match[0])), configuration)

    def remember(self, *credentials: str) -> None:
        """Credentials that callers use at the gateway: none of them may reach an upstream."""
        self._inbound.update(credentials)

    def inbound(self) -> set[str]:
        """What `remember` was told, and the house's own secrets."""
        return set(self._inbound)

    def token(self, username: str = "ada", resource: str | None = None, scope: str = "openid") -> str:
        """An access token from the authorization code flow with PKCE, as a native client gets it."""
        return self.tokens(username, resource, scope)["access_token"]

    def tokens(self, username: str = "ada", resource: str | None = None, scope: str = "openid") -> dict:
        """The whole answer of the token endpoint."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        redirect, state = "http://127.0.0.1:50123/callback", secrets.token_urlsafe(12)
        request = {
            "response_type": "code",
            "client_id": "native",
            "redirect_uri": redirect,
            "scope": scope,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "resource": resource or self.mcp,
        }
        with Browser(self.verify) as browser:
            url = str(httpx.URL(f"{self.url}/oauth2/auth", params=request))
            back = parameters(browser.authorize(url, username, PASSWORDS[username]))
        assert back["state"] == state and back["iss"] == self.url, back
        form = {
            "grant_type": "authorization_code",
            "code": back["code"],
            "client_id": "native",
            "redirect_uri": redirect,
            "code_verifier": verifier,
            "resource": resource or self.mcp,
        }
        answer = httpx.post(f"{self.url}/oauth2/token", data=form, trust_env=False, timeout=30, verify=self.verify)
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        self.remember(*(tokens[name] for name in ("access_token", "refresh_token", "id_token") if name in tokens))
        return tokens

    def sign_in(self, username: str = "ada"):
        """A visitor for clients: goes to the authorization URL as `username` and delivers the callback."""

        def visit(url: str) -> None:
            with Browser(self.verify) as browser:
                callback = browser.authorize(url, username, PASSWORDS[username])
                self.remember(parameters(callback)["code"])
                answer = browser.fetch("GET", callback)
                assert answer.status_code in (200, 302, 303), f"callback: {answer.status_code} {answer.text[:500]}"

        return visit

    def audit(self) -> list[dict]:
        """The audit records so far."""
        files = [process.folder / "audit.jsonl" for process in self.processes]
        texts = [file.read_text() for file in files if file.exists()]
        # What follows the last line end is being written at this moment.
        return [json.loads(line) for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]

    def mark(self) -> int:
        """The number of the last audit record so far, to look only at what comes after. Records are written a moment
        after the answer: one of our own, for a request without a credential, shows that those before it are there."""
        for _ in range(10):
            refused = httpx.get(f"{self.gateway.url}/v1/models", trust_env=False, verify=self.verify, timeout=30)
            # Of many refusals within a second, the last are counted instead of written one by one.
            found = self.audited("credential.refused", 1.5, at_least=0, request__id=refused.json()["request_id"])
            if found:
                return found[0]["seq"]
        raise AssertionError("no refusal of a stranger was written")

    def audited(
        self, event: str, seconds: float = 10, since: int = 0, at_least: int = 1, **members
    ) -> list[dict]:
        """The records of `event` after number `since` whose members are as given (`actor__sub="ada"`); waits until
        there are as many as wanted."""
        end = time.monotonic() + seconds
        while True:
            records = [one for one in self.audit() if one["seq"] > since]
            found = [one for one in records if one["event"] == event and _matches(one, members)]
            if len(found) >= max(at_least, 1) or time.monotonic() > end:
                assert len(found) >= at_least, f"{len(found)} of {at_least} {event} with {members} in\n" + "\n".join(map(json.dumps, records[-30:]))
                return found
            time.sleep(0.05)

    def check_audit(self) -> None:
        """The audit files are whole, says `gatehouse audit verify`."""
        for process in self.processes:
            command = [self._binary, "audit", "verify", process.folder / "audit.jsonl"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    def check_canaries(self) -> None:
        """No credential that a caller showed has reached an upstream; neither these nor those that the gateway
        showed to upstreams, nor any content, are in the log, which is at trace level, or in the audit file."""
        records = {f"the log of {process.folder}": process.log_text() for process in self.processes}
        for process in self.processes:
            file = process.folder / "audit.jsonl"
            records[str(file)] = file.read_text()
        requests, outbound = {}, {KEY}
        for upstream in (self.ledger, self.directory, self.provider):
            for number, seen in enumerate(upstream.seen):
                requests[f"{type(upstream).__name__} request {number}"] = seen.text()
                if scheme_and_token := seen.header("authorization"):
                    outbound.add(scheme_and_token.split()[-1])
        assert all(records.values()) and not outbound & self._inbound
        _check_absent(self._inbound, records | requests)
        _check_absent(outbound | CONTENT, records)


class TlsHouse(House):
    """The same behind TLS, with a certificate of the company's own authority."""

    def _start(self) -> tuple[str, str]:
        self.authority = Authority(self._folder / "authority")
        self.verify = ssl.create_default_context(cafile=self.authority.certificate)
        self.gateway = self._serve(self._configuration, self._folder, scheme="https")
        return self.gateway.url, f"{self.gateway.url}/mcp"

    def _text(self, configuration: str) -> str:
        files = f"certFile: {self.authority.server_certificate}, keyFile: {self.authority.server_key}"
        address = "publicURL: @URL@"
        assert configuration.count(address) == 1
        behind_tls = configuration.replace(address, f"{address}, tls: front")
        return super()._text(f"{behind_tls}\ntls: {{ front: {{ {files} }} }}\n")


class SplitHouse(House):
    """The same as two processes: an authorization server, and an MCP gateway that trusts it."""

    def _start(self) -> tuple[str, str]:
        port = free_port()
        self._values["GATEWAY"] = f"http://127.0.0.1:{port}"
        issuer = self._serve("auth_server.yaml", self._folder / "auth")
        self._values["ISSUER"] = issuer.url
        self.gateway = self._serve("gateway.yaml", self._folder / "gateway", port=port)
        return issuer.url, f"{self.gateway.url}/mcp"


def _check_absent(credentials: set[str], places: dict[str, str]) -> None:
    for place, text in places.items():
        for credential in credentials:
            assert credential not in text, f"{credential[:12]}… is in {place}"


def claims_of(token: str) -> dict:
    """The claims of a token, unverified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _matches(record: dict, members: dict) -> bool:
    for path, wanted in members.items():
        value = record
        for name in path.split("__"):
            value = value.get(name) if isinstance(value, dict) else None
        if value != wanted:
            return False
    return True
