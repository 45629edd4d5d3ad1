"""Claude Code, mcp-remote and an SDK at a gateway whose certificate comes from the company's own authority."""

import json

import anthropic
import pytest

from harness.house import TlsHouse
from harness.node import Node
from harness.ports import CLAUDE_CODE, MCP_REMOTE, reserved
from upstreams.model_provider import GREETING

PUBLIC = ("--client-id", "claude-public", "--callback-port", str(CLAUDE_CODE))


@pytest.fixture(scope="module")
def house(binary, tmp_path_factory):
    with TlsHouse(binary, tmp_path_factory.mktemp("tls")) as house:
        yield house
        house.check_canaries()


@pytest.fixture
def authority(house) -> dict[str, str]:
    return {"NODE_EXTRA_CA_CERTS": str(house.authority.certificate)}


def test_claude_code(house, claude, authority):
    claude.add_server("gw", house.mcp, *PUBLIC)
    with reserved(CLAUDE_CODE):
        claude.login("gw", house.sign_in("ada"), **authority)
    house.remember(*claude.tokens())
    assert claude.status("gw", **authority) == "✔ Connected"

    house.provider.tool_call = ("mcp__gw__ledger_listAccounts", {})
    env = {**authority, "ANTHROPIC_API_KEY": house.key}
    assert "1048.20" in claude.ask("go", "--allowedTools", "mcp__gw", base_url=house.url, **env)["result"]


def test_claude_code_that_does_not_know_the_authority(house, claude):
    claude.add_server("gw", house.mcp, *PUBLIC)
    assert "UNABLE_TO_VERIFY_LEAF_SIGNATURE" in claude.status("gw")


def test_mcp_remote_that_does_not_know_the_authority(house, node: Node, home):
    env = {"MCP_REMOTE_CONFIG_DIR": str(home.folder / "auth")}
    with reserved(MCP_REMOTE), node.start_client("mcp-remote", house.mcp, MCP_REMOTE, **env) as process:
        process.wait_for("UNABLE_TO_VERIFY_LEAF_SIGNATURE|unable to verify the first certificate", timeout=60)


def test_mcp_remote(house, node: Node, authority, home):
    client = json.dumps({"client_id": "claude-public"})
    env = {**authority, "MCP_REMOTE_CONFIG_DIR": str(home.folder / "auth")}
    with (
        reserved(MCP_REMOTE),
        node.start_client("mcp-remote", house.mcp, MCP_REMOTE, "--static-oauth-client-info", client, **env) as process,
    ):
        house.sign_in("bob")(process.wait_for(r"https://\S+response_type=\S+", timeout=60).group())
        process.wait_for("Proxy established successfully", timeout=60)
    assert house.audited("mcp.discover", actor__sub="bob")


def test_python_sdk(house):
    with anthropic.DefaultHttpxClient(verify=house.verify, trust_env=False) as client:
        sdk = anthropic.Anthropic(base_url=house.url, api_key=house.key, max_retries=0, http_client=client)
        hello = [{"role": "user", "content": "hi"}]
        with sdk.messages.stream(model="claude-opus-5-5", max_tokens=9, messages=hello) as stream:
            assert "".join(stream.text_stream) == GREETING
