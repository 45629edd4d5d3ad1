"""Claude Code where authorization server and MCP gateway are two processes that share nothing."""

import pytest

from harness.claude import ClaudeCode
from harness.house import SplitHouse, claims_of
from harness.ports import CLAUDE_CODE, reserved
from upstreams.model_provider import KEY

DOCUMENT = "https://claude.ai/oauth/claude-code-client-metadata"
CONFIDENTIAL = ("--client-id", "claude-confidential", "--client-secret", "--callback-port", str(CLAUDE_CODE))


@pytest.fixture(scope="module")
def house(binary, tmp_path_factory):
    with SplitHouse(binary, tmp_path_factory.mktemp("split")) as house:
        yield house
        house.check_canaries()
        house.check_audit()


def status_after_sign_in(house, claude: ClaudeCode, username: str, *options: str, **env: str) -> dict:
    """Signs in, looks at the connection, and returns the claims of the access token."""
    claude.add_server("gw", house.mcp, *options, **env)
    claude.login("gw", house.sign_in(username))
    house.remember(*claude.tokens())
    assert claude.status("gw") == "✔ Connected"
    return claims_of(claude.stored("gw")["accessToken"])


def test_confidential_client(house, claude):
    with reserved(CLAUDE_CODE):
        claims = status_after_sign_in(house, claude, "bob", *CONFIDENTIAL, MCP_CLIENT_SECRET=house.client_secret)
    assert (claims["iss"], claims["aud"], claims["sub"]) == (house.url, house.mcp, "bob")
    [issued] = house.audited("token.issue", node="auth", actor__client_id="claude-confidential")
    assert issued["actor"]["assurance"] == "secret"
    [listed, *_] = house.audited("tool.list", node="gateway", actor__client_id="claude-confidential")
    assert listed["actor"]["iss"] == house.url and listed["actor"]["sub"] == "bob"


def test_client_id_metadata_document(house, claude):
    claims = status_after_sign_in(house, claude, "ada")
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (house.url, house.mcp, DOCUMENT)

    house.provider.tool_call = ("mcp__gw__ledger_getCustomerPII", {"customer": "c-7"})
    options = ("--allowedTools", "mcp__gw")
    answer = claude.ask("go", *options, base_url=house.provider.origin, ANTHROPIC_API_KEY=KEY)
    assert "Grace Hopper" in answer["result"]
    [called] = house.ledger.calls("getCustomerPII")
    assert called.claims["iss"] == house.url and called.claims["sub"] == "ada"
    assert called.claims["scope"] == "ledger:ReadPII"
    assert called.claims["act"] == {"sub": "ai-identity-gateway", "act": {"sub": DOCUMENT}}

    [record] = house.audited("tool.call", node="gateway", actor__sub="ada")
    assert record["exchange"]["aud"] == [house.ledger.url] and record["exchange"]["scope"] == "ledger:ReadPII"
    assert record["exchange"]["jti"] == called.claims["jti"]
    [exchanged] = house.audited("token.exchange", node="auth", exchange__jti=called.claims["jti"])
    assert exchanged["actor"]["client_id"] == "ai-identity-gateway"
    assert exchanged["exchange"]["actors"] == ["ai-identity-gateway", DOCUMENT]
