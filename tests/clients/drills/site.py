"""A node that can be killed and started again on the same folder and ports, with one upstream behind it."""

import base64
import hashlib
import http.client
import json
import os
import re
import secrets
import socket
import time
from pathlib import Path

import httpx

from harness.browser import Browser, parameters
from harness.gateway import free_port
from harness.house import HOUSES, PASSWORDS, new_key, password_hash
from harness.process import Background, run
from upstreams.puppet import KEY, Puppet

SQLITE = "{ type: sqlite, sqlite: { path: gatehouse.db } }"
REDIRECT = "http://127.0.0.1:50123/callback"


class Site:
    """One node. `url` is the issuer of all nodes of a deployment, `base` this node's own address."""

    def __init__(
        self,
        binary: Path,
        folder: Path,
        puppet: Puppet,
        *,
        store=SQLITE,
        of: "Site | None" = None,
        house: str = "drills.yaml",
        **settings,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.binary, self.folder = binary, folder
        self.port, self.admin_port = free_port(), free_port()
        self.base, self.admin_url = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.admin_port}"
        self.url = of.url if of else self.base
        self.secret = of.secret if of else secrets.token_urlsafe(24)
        self.key, key_hash = new_key(binary)
        self.mcp = f"{self.url}/mcp"
        self.audit_file = folder / "audit.jsonl"
        self.process: Background | None = None
        self._session: str | None = None
        self._client = _client()
        values = {
            "PORT": self.port,
            "ADMIN_PORT": self.admin_port,
            "URL": self.url,
            "DIR": folder,
            "STORE": store,
            "NODE": folder.name,
            "SECRET": self.secret,
            "KEY_HASH": key_hash,
            "ADA_HASH": password_hash(binary, "ada"),
            "PUPPET": puppet.origin,
            "PROVIDER_KEY": KEY,
            "HEAD_SECONDS": 5,
            "IDLE_SECONDS": 75,
            "BODY_SECONDS": 20,
            "SPOOL": 65536,
            "CHECKPOINTS": "",
            "MORE_APPS": "",
            "LIMITS": "{}",
            **settings,
        }
        text = (HOUSES / house).read_text()
        (folder / "gatehouse.yaml").write_text(re.sub(r"@(\w+)@", lambda match: str(values[match[1]]), text))
        (folder / "rest.json").write_text(json.dumps(_openapi()))

    def start(self, *prefix: str) -> float:
        """Starts it and returns the seconds until it was ready. `prefix` is a command that runs the binary."""
        command = [*prefix, self.binary, "serve", "--config", self.folder / "gatehouse.yaml"]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        self._session, self._client = None, _client()
        began = time.monotonic()
        self.process = Background(command, cwd=self.folder, env=environment)
        while not self.is_ready():
            assert self.process.is_running(), f"the gateway ended\n{self.process.transcript()}"
            assert time.monotonic() < began + 30, f"the gateway is not ready\n{self.process.transcript()}"
            time.sleep(0.005)
        return time.monotonic() - began

    def is_ready(self) -> bool:
        """What `/readyz` of the operations listener says now."""
        return self.readyz() == 200

    def readyz(self) -> int | None:
        """The status of `/readyz`, `None` while nobody listens."""
        try:
            return self._client.get(f"{self.admin_url}/readyz").status_code
        except httpx.TransportError:
            return None

    def readiness(self) -> dict:
        """What a node that is ready says at `/readyz`."""
        answer = self._client.get(f"{self.admin_url}/readyz")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self) -> dict:
        """What the operations listener says of this node."""
        return self._client.get(f"{self.admin_url}/status").json()

    def __enter__(self) -> "Site":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        if self.process and self.process.is_running():
            self.process.kill()

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def wait(self, seconds: float) -> int:
        """The exit code, once it has ended by itself."""
        end = time.monotonic() + seconds
        while self.process.is_running():
            assert time.monotonic() < end, f"the gateway does not end\n{self.process.transcript()}"
            time.sleep(0.005)
        return self.process.stop()

    def resident(self, peak: bool = False) -> int:
        """Its resident memory in bytes, or the most since `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status)[1]) * 1024

    def cpu_seconds(self) -> float:
        """The processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Lets the measurement of the peak begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def verify_audit(self) -> None:
        """`gatehouse audit verify` finds nothing wrong."""
        command = [self.binary, "audit", "verify", self.audit_file]
        run(command, cwd=self.folder, env={"PATH": os.defpath}, timeout=60).check()

    def audit(self) -> list[dict]:
        """The records so far."""
        text = self.audit_file.read_text()
        # What follows the last line end is being written at this moment.
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def code(self, browser: Browser, resource: str | None = None) -> dict:
        """A fresh authorization code, as the form that redeems it."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        request = {
            "response_type": "code",
            "client_id": "native",
            "redirect_uri": REDIRECT,
            "state": "s",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "resource": resource or self.mcp,
        }
        url = str(httpx.URL(f"{self.base}/oauth2/auth", params=request))
        back = parameters(browser.authorize(url, "ada", PASSWORDS["ada"]))
        return {
            "grant_type": "authorization_code",
            "code": back["code"],
            "client_id": "native",
            "redirect_uri": REDIRECT,
            "code_verifier": verifier,
        }

    def tokens(self, resource: str | None = None) -> dict:
        """Tokens of ada."""
        with Browser(verify=False) as browser:
            answer = self.token(self.code(browser, resource))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def token(self, form: dict, **options) -> httpx.Response:
        """One request to the token endpoint of this node."""
        return self.post("/oauth2/token", data=form, **options)

    def refresh(self, refresh_token: str) -> httpx.Response:
        return self.token(refresh_form(refresh_token))

    def machine(self) -> httpx.Response:
        """Client credentials."""
        return self.token({"grant_type": "client_credentials", "client_id": "machine", "client_secret": self.secret})

    def post(self, path: str, *, timeout: float = 30, **options) -> httpx.Response:
        return self._client.post(f"{self.base}{path}", timeout=timeout, **options)

    def ask(self, order: dict, *, token: str | None = None) -> httpx.Response:
        """One model call."""
        headers = {"authorization": f"Bearer {token or self.key}", "anthropic-version": "2023-06-01"}
        return self.post("/v1/messages", json=message(order), headers=headers)

    def call(self, order: dict, token: str) -> httpx.Response:
        """One tool call."""
        return self.post("/mcp", json=tool_call(order), headers=self.mcp_headers(token))

    def mcp_headers(self, token: str) -> dict:
        """What requests of an MCP session carry; opens the session the first time."""
        headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
        if self._session is None:
            answer = self.post("/mcp", json=INITIALIZE, headers=headers)
            assert answer.status_code == 200, answer.text
            self._session = answer.headers["mcp-session-id"]
        return {**headers, "mcp-session-id": self._session, "mcp-protocol-version": "2025-11-25"}

    def connect(self, receive_buffer: int | None = None, timeout: float = 60) -> http.client.HTTPConnection:
        """A connection whose every byte and end the drill decides about."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        raw = socket.socket()
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(timeout)
        raw.connect(("127.0.0.1", self.port))
        connection.sock = raw
        return connection

    def begin_message(self, order: dict, *, stream: bool, receive_buffer: int | None = None):
        """Sends a model call and leaves the answer to the drill."""
        connection = self.connect(receive_buffer)
        headers = {"x-api-key": self.key, "anthropic-version": "2023-06-01", "content-type": "application/json"}
        connection.request("POST", "/v1/messages", json.dumps({**message(order), "stream": stream}), headers)
        return connection

    def begin_call(self, order: dict, token: str, *, tool: str = "puppet_act", progress: bool = False):
        """Sends a tool call and leaves the answer to the drill."""
        headers = {**self.mcp_headers(token), "content-type": "application/json"}
        call = tool_call(order, tool)
        if progress:
            call["params"]["_meta"] = {"progressToken": "p-1"}
        connection = self.connect()
        connection.request("POST", "/mcp", json.dumps(call), headers)
        return connection


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "drill", "version": "1"},
    },
}


def _client() -> httpx.Client:
    """A pool of connections. Making one reads the system's certificates unless it is told not to."""
    return httpx.Client(timeout=30, trust_env=False, verify=False)


def refresh_form(refresh_token: str) -> dict:
    return {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "native"}


def message(order: dict) -> dict:
    """A model call that carries `order`."""
    messages = [{"role": "user", "content": json.dumps(order)}]
    return {"model": "drill", "max_tokens": 64, "messages": messages}


def tool_call(order: dict, tool: str = "puppet_act") -> dict:
    """A tool call that carries `order`."""
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": order}}


def _openapi() -> dict:
    order = {"type": "object", "properties": {"do": {"type": "string"}, "mark": {"type": "string"}}}
    operation = {
        "operationId": "act",
        "summary": "Acts.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": order}}},
        "responses": {"200": {"description": "Done"}},
    }
    return {"openapi": "3.1.0", "info": {"title": "Rest", "version": "1"}, "paths": {"/api/act": {"post": operation}}}
