"""Claude Code at both doors: sign-in at the MCP door in the three ways of registering it, tools, the model that
asks for a tool, refused calls, tokens that expire meanwhile, and what it sends to the LLM door besides."""

import json

import httpx
import pytest

from harness.claude import ClaudeCode
from harness.home import Home
from harness.house import claims_of
from harness.ports import CLAUDE_CODE, reserved
from upstreams.model_provider import GREETING, tool_results

DOCUMENT = "https://claude.ai/oauth/claude-code-client-metadata"
PUBLIC = ("--client-id", "claude-public", "--callback-port", str(CLAUDE_CODE))
BRIEF = ("--client-id", "claude-brief", "--callback-port", str(CLAUDE_CODE))
CONFIDENTIAL = ("--client-id", "claude-confidential", "--client-secret", "--callback-port", str(CLAUDE_CODE))
EVERYBODYS_TOOLS = {
    "directory_listEmployees",
    "directory_createEmployee",
    "directory_getEmployee",
    "ledger_listAccounts",
    "ledger_getCustomerPII",
    "ledger_whoami",
}


@pytest.fixture(autouse=True)
def callback_port():
    """The callback port that the registrations fix is ours during a test."""
    with reserved(CLAUDE_CODE):
        yield


@pytest.fixture(autouse=True)
def fresh_provider(house):
    house.provider.reset()


@pytest.fixture
def connect(house, tmp_path, outside):
    """`connect(username, *options)` adds the MCP door as server `gw` to a Claude Code in a home of its own and signs
    the user in."""
    opened = []

    def connect(username: str = "ada", *options: str, path: str = "", **env: str) -> ClaudeCode:
        claude = ClaudeCode(Home(tmp_path / f"home-{len(opened)}"), outside)
        opened.append(claude)
        claude.add_server("gw", house.mcp + path, *options, **env)
        claude.login("gw", house.sign_in(username))
        house.remember(*claude.tokens())
        return claude

    yield connect
    for claude in opened:
        house.remember(*claude.tokens())


@pytest.fixture(scope="module")
def model_token(house) -> str:
    """Ada's token for the LLM door."""
    return house.token("ada", resource=house.url)


def ask(house, claude: ClaudeCode, *options: str, **env: str) -> dict:
    """One question to the model, for which any tool of the MCP door may be used."""
    if not any(name.startswith("ANTHROPIC_") for name in env):
        env["ANTHROPIC_API_KEY"] = house.key
    return claude.ask("go", "--allowedTools", "mcp__gw", *options, base_url=house.url, **env)


def offered_tools(house, claude: ClaudeCode) -> set[str]:
    """The tools of the MCP door that Claude Code offers to the model, by our names for them."""
    ask(house, claude, ENABLE_TOOL_SEARCH="false")
    names = [tool["name"] for tool in house.provider.messages()[-1].json()["tools"]]
    return {name.removeprefix("mcp__gw__") for name in names if name.startswith("mcp__gw__")}


def call(house, claude: ClaudeCode, tool: str, arguments: dict, **env: str) -> str:
    """Has the model ask for a tool of the MCP door; returns what the model was told of it."""
    house.provider.tool_call = (f"mcp__gw__{tool}", arguments)
    answer = ask(house, claude, **env)
    [result] = tool_results(house.provider.messages()[-1].json())
    assert answer["result"].startswith("The tool said: "), answer
    return result


def test_public_client(house, connect, claude):
    claude.add_server("gw", house.mcp, *PUBLIC)
    assert claude.status("gw") == "! Needs authentication"

    mark = house.mark()
    claude = connect("ada", *PUBLIC)
    assert claude.status("gw") == "✔ Connected"
    kept = claude.stored("gw")
    assert kept["clientId"] == "claude-public" and kept["issuer"] == house.url
    assert kept["redirectUri"] == f"http://localhost:{CLAUDE_CODE}/callback"
    [issued] = house.audited("token.issue", since=mark, actor__client_id="claude-public")
    assert issued["actor"]["sub"] == "ada" and issued["actor"]["assurance"] == "self_asserted"
    assert issued["exchange"]["aud"] == [house.mcp]

    assert offered_tools(house, claude) == EVERYBODYS_TOOLS | {"ledger_getAuditLog"}
    assert "Blaise Pascal" in call(house, claude, "directory_listEmployees", {"department": "sales"})

    claude.run("mcp", "logout", "gw").check()
    house.audited("token.revoke", since=mark, at_least=2, actor__client_id="claude-public")
    assert claude.status("gw") == "! Needs authentication"
    bearer = {"authorization": f"Bearer {kept['accessToken']}"}
    assert httpx.post(house.mcp, json={}, headers=bearer, trust_env=False).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": kept["refreshToken"], "client_id": "claude-public"}
    refused = httpx.post(f"{house.url}/oauth2/token", data=form, trust_env=False)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_confidential_client(house, connect):
    mark = house.mark()
    claude = connect("bob", *CONFIDENTIAL, MCP_CLIENT_SECRET=house.client_secret)
    assert claude.status("gw") == "✔ Connected"
    [issued] = house.audited("token.issue", since=mark, actor__client_id="claude-confidential")
    assert issued["actor"]["sub"] == "bob" and issued["actor"]["assurance"] == "secret"
    assert "1048.20" in call(house, claude, "ledger_listAccounts", {})


def test_confidential_client_with_a_wrong_secret_gets_nothing(house, claude):
    mark = house.mark()
    claude.add_server("gw", house.mcp, *CONFIDENTIAL, MCP_CLIENT_SECRET="not-the-secret")
    claude.login("gw", house.sign_in("bob"), expect=1)
    refused = house.audited("token.issue", since=mark, actor__client_id="claude-confidential")
    assert {(one["outcome"], one["reason"]) for one in refused} == {("deny", "invalid_client")}
    assert claude.tokens() == []


def test_client_id_metadata_document(house, connect):
    mark = house.mark()
    claude = connect("ada")
    assert claude.status("gw") == "✔ Connected"
    assert claude.stored("gw")["clientId"] == DOCUMENT
    [issued] = house.audited("token.issue", since=mark, actor__client_id=DOCUMENT)
    assert issued["actor"]["client_kind"] == "metadata_document" and issued["actor"]["assurance"] == "cimd"

    upstream_saw = json.loads(call(house, claude, "ledger_whoami", {}))
    assert upstream_saw["sub"] == "ada"
    assert upstream_saw["act"] == {"sub": "ai-identity-gateway", "act": {"sub": DOCUMENT}}


@pytest.mark.parametrize(("negotiation", "first"), [("auto", "server/discover"), ("legacy", "initialize")])
def test_both_eras_of_the_protocol(house, connect, negotiation, first):
    claude = connect("bob", *PUBLIC)
    mark = house.mark()
    assert "Odd Identifier" in call(
        house, claude, "directory_getEmployee", {"id": "a/b c"}, MCP_PROTOCOL_NEGOTIATION=negotiation
    )
    methods = [one["target"].get("method") for one in house.audit() if one["seq"] > mark and "target" in one]
    assert [method for method in methods if method in ("server/discover", "initialize")] == [first], methods


def test_token_in_a_configured_header(house, claude):
    token = house.token("bob")
    header = ("--header", f"Authorization: Bearer {token}")
    claude.run("mcp", "add", "--transport", "http", "gw", house.mcp, *header).check()
    assert claude.status("gw") == "✔ Connected"
    assert "1048.20" in call(house, claude, "ledger_listAccounts", {})


def test_one_app_has_its_own_url_and_audience(house, connect):
    claude = connect("ada", path="/directory")
    assert offered_tools(house, claude) == {"listEmployees", "createEmployee", "getEmployee"}
    token = claude.stored("gw")["accessToken"]
    assert claims_of(token)["aud"] == f"{house.mcp}/directory"
    for elsewhere in (house.mcp, f"{house.mcp}/ledger"):
        refused = httpx.post(elsewhere, json={}, headers={"authorization": f"Bearer {token}"}, trust_env=False)
        assert refused.status_code == 401, elsewhere


def test_model_asks_for_a_tool(house, connect, model_token):
    claude = connect("ada", *PUBLIC)
    mark, before = house.mark(), len(house.ledger.seen)
    result = call(house, claude, "ledger_getCustomerPII", {"customer": "c-7"}, ANTHROPIC_AUTH_TOKEN=model_token)
    assert "Grace Hopper" in result

    [called] = [seen for seen in house.ledger.seen[before:] if b'"tools/call"' in seen.body]
    assert called.claims["sub"] == "ada" and called.claims["scope"] == "ledger:ReadPII"
    assert called.claims["act"] == {"sub": "ai-identity-gateway", "act": {"sub": "claude-public"}}

    models = house.audited("model.call", since=mark, at_least=2)
    [tool] = house.audited("tool.call", since=mark)
    records = [*models, tool]
    assert len(models) == 2
    assert {(one["actor"]["sub"], one["actor"]["email"], one["outcome"]) for one in records} == {
        ("ada", "ada@example.com", "allow")
    }
    assert models[0]["target"]["model"] == "claude-opus-5-5" and models[0]["tokens"]["output"] == 9
    assert tool["target"]["tool"] == "ledger_getCustomerPII" and tool["target"]["app"] == "ledger"
    assert tool["policy"] == tool["policy"] | {"name": "ledger-inbound", "verdict": "allow"}
    assert tool["exchange"]["actors"] == ["ai-identity-gateway", "claude-public"]
    assert tool["exchange"]["jti"] == called.claims["jti"]
    assert "c-7" not in json.dumps(records) and "Grace" not in json.dumps(records)
    house.check_audit()


def test_users_see_and_may_call_what_is_theirs(house, connect):
    claude = connect("bob", *PUBLIC)
    assert offered_tools(house, claude) == EVERYBODYS_TOOLS

    mark, before = house.mark(), len(house.ledger.calls("getCustomerPII"))
    result = call(house, claude, "ledger_getCustomerPII", {"customer": "c-7"})
    assert "Customer data is for administrators only." in result and "PII is for admins" not in result
    assert len(house.ledger.calls("getCustomerPII")) == before
    [denied] = house.audited("tool.call", since=mark, actor__sub="bob")
    assert (denied["outcome"], denied["reason"]) == ("deny", "policy_denied")
    assert denied["policy"]["internal_message"] == "PII is for admins"


def test_tokens_are_renewed_while_it_runs(house, connect):
    claude = connect("ada", *BRIEF)
    mark = house.mark()
    house.provider.pause = 6.0  # longer than the 5 seconds that a token of this client lives
    assert "1048.20" in call(house, claude, "ledger_listAccounts", {})

    [listed, *_] = house.audited("tool.list", since=mark, actor__client_id="claude-brief")
    [called] = house.audited("tool.call", since=mark, actor__client_id="claude-brief")
    renewed = house.audited("token.refresh", since=listed["seq"], actor__client_id="claude-brief", outcome="allow")
    assert listed["actor"]["jti"] != called["actor"]["jti"]
    assert called["actor"]["jti"] in [one["exchange"]["jti"] for one in renewed]


def test_processes_of_one_user_renew_at_the_same_time(house, connect):
    claude = connect("ada", *BRIEF)
    mark = house.mark()
    running = [claude.start("mcp", "list") for _ in range(3)]
    try:
        for process in running:
            process.wait_for("^gw: .* ✔ Connected$", stream="out", timeout=90)
    finally:
        for process in running:
            process.stop()
    assert house.audited("token.refresh", since=mark, actor__client_id="claude-brief", outcome="allow")
    assert not [one for one in house.audit() if one["seq"] > mark and one["outcome"] != "allow"]
    assert claude.status("gw") == "✔ Connected"


def test_a_sign_in_outlives_a_restart(house, connect):
    kept, brief = connect("bob", *PUBLIC), connect("ada", *BRIEF)
    house.gateway.restart()
    mark = house.mark()
    assert kept.status("gw") == brief.status("gw") == "✔ Connected"
    assert "1048.20" in call(house, kept, "ledger_listAccounts", {})
    assert house.audited("token.refresh", since=mark, actor__client_id="claude-brief", outcome="allow")
    house.check_audit()


@pytest.mark.parametrize("kind", ["bearer token", "bearer key", "x-api-key", "junk beside a key", "helper"])
def test_credentials_at_the_llm_door(house, claude, model_token, kind):
    mark, settings = house.mark(), []
    env = {
        "bearer token": {"ANTHROPIC_AUTH_TOKEN": model_token},
        "bearer key": {"ANTHROPIC_AUTH_TOKEN": house.key},
        "x-api-key": {"ANTHROPIC_API_KEY": house.key},
        "junk beside a key": {"ANTHROPIC_AUTH_TOKEN": "dummy", "ANTHROPIC_API_KEY": house.key},
        "helper": {"ANTHROPIC_CUSTOM_HEADERS": "X-Team: analysis"},
    }[kind]
    if kind == "helper":
        settings = ["--settings", json.dumps({"apiKeyHelper": f"printf %s {model_token}"})]
    assert ask(house, claude, *settings, **env)["result"] == GREETING
    user = "ada" if kind in ("bearer token", "helper") else "team-a"
    [record] = house.audited("model.call", since=mark, outcome="allow")
    assert record["actor"]["sub"] == user

    seen = house.provider.messages()[-1]
    assert seen.json()["stream"] is True and seen.header("anthropic-version") == "2023-06-01"
    assert seen.header("anthropic-beta").startswith("claude-code-20250219,")
    assert seen.header("x-claude-code-session-id") and seen.header("authorization") is None


def test_what_it_sends_besides_messages(house, claude, model_token):
    # It warms its connection up without a credential, except where nonessential traffic is off as it is here.
    assert httpx.head(f"{house.url}/api/hello", trust_env=False).status_code == 200

    mark = house.mark()
    ask(house, claude, CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY="1", ANTHROPIC_AUTH_TOKEN=model_token)
    [listed] = house.audited("model.list", since=mark, actor__sub="ada")
    assert listed["result"]["status"] == 200

    mark, before = house.mark(), len(house.provider.seen)
    environment = {"ANTHROPIC_BASE_URL": house.url, "ANTHROPIC_AUTH_TOKEN": model_token}
    assert "Context Usage" in claude.run("-p", "/context", **environment).check().out
    house.audited("model.count_tokens", since=mark, at_least=6, actor__sub="ada", outcome="allow")
    assert all(seen.target.startswith("/v1/messages/count_tokens") for seen in house.provider.seen[before:])


@pytest.mark.parametrize(
    ("model", "credential", "status", "says"),
    [
        ("claude-opus-5-5", "gwk_nobody", 401, "A valid credential is required."),
        ("claude-forbidden", None, 403, "Ask for access to this model."),
        ("claude-nonexistent", None, 400, "claude-nonexistent"),
    ],
)
def test_refusals_are_final(house, claude, model_token, model, credential, status, says):
    before = len(house.provider.seen)
    env = {"ANTHROPIC_AUTH_TOKEN": credential or model_token}
    answer = ask(house, claude, "--model", model, expect=1, **env)
    assert answer["api_error_status"] == status and says in answer["result"]
    assert len(house.provider.seen) == before


def test_an_answer_that_breaks_off_is_asked_for_again(house, claude):
    house.provider.breaks = 1
    assert ask(house, claude)["result"] == GREETING
    assert len([seen for seen in house.provider.messages() if seen.json().get("stream")]) < len(house.provider.messages())
