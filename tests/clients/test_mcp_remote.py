"""mcp-remote at the MCP door, as Claude Desktop starts it: fixed port, `/oauth/callback`, JSON-RPC lines over stdio."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.browser import parameters
from harness.home import Home
from harness.node import Node
from harness.ports import MCP_REMOTE, reserved
from harness.process import Background

CLIENT = json.dumps({"client_id": "claude-public"})
AUTHORIZATION_URL = r"https?://\S+response_type=\S+"


@pytest.fixture(autouse=True)
def callback_port():
    """The callback port that the registration fixes is ours during a test."""
    with reserved(MCP_REMOTE):
        yield


class Host:
    """What Claude Desktop is to mcp-remote: the program at the other end of its standard input and output."""

    def __init__(self, process: Background):
        self._process = process
        self._last = 0

    def initialize(self) -> dict:
        result = self.request(
            "initialize",
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "claude-ai", "version": "0.1.0"}},
        )
        self._process.write(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        return result

    def request(self, method: str, parameters: dict) -> dict:
        """The result of a request."""
        answer = self.answer(method, parameters)
        assert "result" in answer, f"{method}: {answer}\n{self._process.transcript()}"
        return answer["result"]

    def answer(self, method: str, parameters: dict) -> dict:
        """The whole answer to a request."""
        self._last += 1
        request = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": parameters}
        self._process.write(json.dumps(request))
        line = self._process.wait_for(rf'"id":\s*{self._last}\b', stream="out", timeout=60)
        return json.loads(line.string)

    def tools(self) -> set[str]:
        return {tool["name"] for tool in self.request("tools/list", {})["tools"]}


@contextmanager
def started(house, home: Home, *options: str, port: int | None = MCP_REMOTE):
    """mcp-remote, as the configuration of Claude Desktop has it. Without a port it derives one from the URL."""
    arguments = [house.mcp, *([port] if port else []), "--static-oauth-client-info", CLIENT, *options]
    with Node(home).start_client("mcp-remote", *arguments, MCP_REMOTE_CONFIG_DIR=str(home.folder / "auth")) as process:
        yield process
    house.remember(*_tokens(home))


def _tokens(home: Home) -> list[str]:
    files = [json.loads(file.read_text()) for file in Path(home.folder / "auth").rglob("*_tokens.json")]
    return [file[kind] for file in files for kind in ("access_token", "refresh_token") if kind in file]


@pytest.mark.parametrize("protocol", [(), ("--protocol", "auto")], ids=["default", "auto"])
def test_sign_in_list_and_call(house, home, protocol):
    mark = house.mark()
    with started(house, home, *protocol) as process:
        url = process.wait_for(AUTHORIZATION_URL, timeout=60).group()
        assert parameters(url)["redirect_uri"] == "http://localhost:3334/oauth/callback"
        house.sign_in("ada")(url)
        host = Host(process)
        assert host.initialize()["serverInfo"]["name"]
        assert {"directory_listEmployees", "ledger_getAuditLog"} <= host.tools()
        called = host.request("tools/call", {"name": "directory_listEmployees", "arguments": {"department": "sales"}})
        assert "Blaise Pascal" in called["content"][0]["text"] and not called.get("isError")
        seen = host.request("tools/call", {"name": "ledger_whoami", "arguments": {}})
        claims = json.loads(seen["content"][0]["text"])
        assert claims["sub"] == "ada" and claims["act"]["act"] == {"sub": "claude-public"}

    [issued] = house.audited("token.issue", since=mark, actor__client_id="claude-public")
    assert issued["actor"]["sub"] == "ada" and issued["exchange"]["aud"] == [house.mcp]
    called = house.audited("tool.call", since=mark, at_least=2, actor__sub="ada", actor__client_id="claude-public")
    assert [one["target"]["tool"] for one in called] == ["directory_listEmployees", "ledger_whoami"]


def test_port_of_its_own_choice(house, home):
    with started(house, home, port=None) as process:
        url = process.wait_for(AUTHORIZATION_URL, timeout=60).group()
        assert not parameters(url)["redirect_uri"].endswith(":3334/oauth/callback")
        house.sign_in("bob")(url)
        host = Host(process)
        host.initialize()
        assert "ledger_listAccounts" in host.tools()


def test_starts_again_without_a_sign_in_and_shows_a_refusal(house, home):
    with started(house, home) as process:
        house.sign_in("bob")(process.wait_for(AUTHORIZATION_URL, timeout=60).group())
        Host(process).initialize()

    mark = house.mark()
    with started(house, home) as process:
        host = Host(process)
        host.initialize()
        assert "ledger_getAuditLog" not in host.tools()
        refused = host.answer("tools/call", {"name": "ledger_getCustomerPII", "arguments": {"customer": "c-7"}})
        assert "Customer data is for administrators only." in json.dumps(refused)
        assert "PII is for admins" not in json.dumps(refused)
    [denied] = house.audited("tool.call", since=mark, actor__sub="bob")
    assert denied["outcome"] == "deny"
    assert not [one for one in house.audit() if one["seq"] > mark and one["event"] == "signin.success"]
