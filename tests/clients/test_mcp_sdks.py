"""The official MCP SDKs on both sides of the gateway: Python and TypeScript clients of both eras before it, servers of
both eras behind it. Every call must arrive with a delegated token, and nothing of the caller's own credential."""

import json

import anyio
import pytest
from mcp import MCPError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider

from harness.browser import Browser
from harness.home import Home
from harness.house import PASSWORDS, House, claims_of
from harness.mcp_server import McpServer
from harness.node import Node
from harness.python_sdk import REDIRECT, Memory, connected, oauth, registered

MODERN, LEGACY = "2026-07-28", "2025-11-25"
CIMD = "https://claude.ai/oauth/claude-code-client-metadata"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Node for the servers of this module."""
    return Node(Home(tmp_path_factory.mktemp("workshop") / "home"))


@pytest.fixture(scope="module")
def elder(workshop):
    with McpServer(workshop, "elder") as server:
        yield server


@pytest.fixture(scope="module")
def newer(workshop):
    with McpServer(workshop, "newer") as server:
        yield server


@pytest.fixture(scope="module")
def hall(binary, tmp_path_factory, elder, newer):
    """A gateway before a bridge, a Python server of both eras, and a TypeScript server of each."""
    with House(binary, tmp_path_factory.mktemp("hall"), "mcp_servers.yaml", ELDER=elder.url, NEWER=newer.url) as hall:
        hall.more_upstreams = {"elder": elder, "newer": newer}
        for server in hall.more_upstreams.values():
            server.trust(hall.url)
        yield hall
        hall.check_canaries()
        for name, server in hall.more_upstreams.items():
            for credential in hall.inbound():
                assert credential not in server.text(), f"{credential[:12]}… reached {name}"


@pytest.fixture(scope="module")
def tokens(hall) -> dict[str, str]:
    return {username: hall.token(username) for username in PASSWORDS}


def run(main):
    """Runs `main`, and reports the one failure in a group of them as itself."""
    try:
        return anyio.run(main)
    except* BaseException as group:
        failures = [failure for failure in _leaves(group)]
        raise failures[0] from None


def _leaves(failure):
    if isinstance(failure, BaseExceptionGroup):
        for one in failure.exceptions:
            yield from _leaves(one)
    else:
        yield failure


# The Python SDK.


@pytest.mark.parametrize(("mode", "version"), [("legacy", LEGACY), ("auto", MODERN), (MODERN, MODERN)])
def test_python_lists_and_calls(hall, tokens, mode, version):
    async def main():
        async with connected(hall.mcp, mode, token=tokens["ada"]) as client:
            assert client.protocol_version == version
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert {
                "directory_listEmployees",
                "directory_getEmployee",
                "ledger_whoami",
                "elder_add",
                "newer_add",
            } <= set(tools)
            assert tools["elder_whoami"].annotations.read_only_hint is True
            assert tools["newer_add"].input_schema["required"] == ["a", "b"]

            people = await client.call_tool("directory_listEmployees", {"department": "sales"})
            assert not people.is_error
            assert {one["id"] for one in json.loads(people.content[0].text)["employees"]} == {"e-2", "a/b c"}
            odd = await client.call_tool("directory_getEmployee", {"id": "a/b c"})
            assert json.loads(odd.content[0].text)["name"] == "Odd Identifier"
            nobody = await client.call_tool("directory_getEmployee", {"id": "../admin"})
            assert nobody.is_error and "no employee" in nobody.content[0].text

            for app, url in audiences(hall).items():
                told = await client.call_tool(f"{app}_whoami", {})
                expect_delegated(hall, tokens["ada"], json.loads(told.content[0].text), url)
            for app in ("elder", "newer"):
                added = await client.call_tool(f"{app}_add", {"a": 2, "b": 40.5})
                assert added.structured_content == {"sum": 42.5}
                picture = await client.call_tool(f"{app}_picture", {})
                image, link = picture.content
                assert (image.type, image.data, image.annotations.priority) == ("image", "AAEC", 0.5)
                assert (link.type, link.uri) == ("resource_link", "file:///a.txt")
                assert picture.meta["example.com/trace"] == "t-1"

    run(main)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_python_failures(hall, tokens, mode):
    async def main():
        async with connected(hall.mcp, mode, token=tokens["bob"]) as client:
            for app in ("elder", "newer"):
                failed = await client.call_tool(f"{app}_fail", {})
                assert failed.is_error and "the machine is broken" in failed.content[0].text
                wrong = await attempted(client.call_tool(f"{app}_add", {"a": "two"}))
                assert getattr(wrong, "is_error", True), wrong
            with pytest.raises(MCPError) as unknown:
                await client.call_tool("ledger_no_such_tool", {})
            assert unknown.value.code == -32602
            if mode == "legacy":
                await client.session.send_ping()

    run(main)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_python_denied_calls(hall, tokens, mode):
    async def listed(who: str) -> set[str]:
        async with connected(hall.mcp, mode, token=tokens[who]) as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    async def denied():
        async with connected(hall.mcp, mode, token=tokens["bob"]) as client:
            for tool, message in {
                "ledger_getCustomerPII": "Customer data is for administrators only.",
                "elder_secret": "Only administrators may ask.",
                "newer_secret": "Only administrators may ask.",
            }.items():
                answer = await attempted(client.call_tool(tool, {"customer": "c-1"}))
                assert getattr(answer, "is_error", True) and message in str(answer), answer

    async def allowed():
        async with connected(hall.mcp, mode, token=tokens["ada"]) as client:
            answer = await client.call_tool("ledger_getCustomerPII", {"customer": "c-1"})
            assert json.loads(answer.content[0].text)["name"] == "Grace Hopper"
            for app in ("elder", "newer"):
                assert (await client.call_tool(f"{app}_secret", {})).structured_content == {"open": True}

    assert run(lambda: listed("ada")) - run(lambda: listed("bob")) == {"ledger_getAuditLog"}
    run(denied)
    run(allowed)
    assert hall.audited("tool.call", actor__sub="bob", outcome="deny", target__app="newer")
    assert not any('"secret"' in seen["body"] and sub_of(seen) == "bob" for seen in hall.more_upstreams["newer"].seen())


@pytest.mark.parametrize("app", ["ledger", "elder", "newer", "directory"])
@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_python_one_app_alone(hall, mode, app):
    url = f"{hall.mcp}/{app}"
    name = {"directory": "listEmployees"}.get(app, "whoami")

    async def main():
        async with connected(url, mode, auth=oauth(url, "ada", memory)) as client:
            assert name in {tool.name for tool in (await client.list_tools()).tools}
            answer = await client.call_tool(name, {})
            assert not answer.is_error
            return answer.content[0].text

    memory = Memory(registered("native", hall.url))
    answer = run(main)
    hall.remember(memory.tokens.access_token, memory.tokens.refresh_token or "none given")
    assert claims_of(memory.tokens.access_token)["aud"] in (url, [url])
    if app in audiences(hall):
        expect_delegated(hall, memory.tokens.access_token, json.loads(answer), audiences(hall)[app])

    # The token is for this app alone.
    async def elsewhere():
        async with connected(hall.mcp, mode, token=memory.tokens.access_token):
            raise AssertionError("connected to another resource")

    with pytest.raises(MCPError):
        run(elsewhere)
    assert hall.audited("credential.refused", reason="token_wrong_audience")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("client_id", ["native", CIMD])
def test_python_signs_in_by_itself(hall, mode, client_id):
    memory = Memory(None if client_id == CIMD else registered(client_id, hall.url))
    options = {"client_metadata_url": CIMD} if client_id == CIMD else {}

    async def main():
        async with connected(hall.mcp, mode, auth=oauth(hall.mcp, "bob", memory, **options)) as client:
            return (await client.call_tool("newer_whoami", {})).structured_content

    claims = run(main)
    hall.remember(memory.tokens.access_token, memory.tokens.refresh_token or "none given")
    expect_delegated(hall, memory.tokens.access_token, claims, audiences(hall)["newer"])
    assert claims["act"]["act"]["sub"] == client_id


def test_python_refreshes_by_itself(hall):
    memory = Memory(registered("brief", hall.url))

    async def main():
        async with connected(hall.mcp, "auto", auth=oauth(hall.mcp, "ada", memory)) as client:
            for _ in range(2):
                assert not (await client.call_tool("elder_whoami", {})).is_error
                await anyio.sleep(3.5)
            assert not (await client.call_tool("elder_whoami", {})).is_error

    run(main)
    seen = [tokens.refresh_token for tokens in memory.history]
    hall.remember(*seen, *(tokens.access_token for tokens in memory.history))
    assert len(seen) >= 3 and len(set(seen)) == len(seen), "refresh tokens were not rotated"


def test_python_machine_client(hall):
    memory = Memory()
    worker = ClientCredentialsOAuthProvider(
        hall.mcp, memory, client_id="worker", client_secret=hall.client_secret, issuer=hall.url
    )

    async def main():
        async with connected(hall.mcp, "auto", auth=worker) as client:
            return (await client.call_tool("newer_whoami", {})).structured_content

    # The SDK asks for all of `scopes_supported`, whatever of it the client may have.
    claims = run(main)
    hall.remember(memory.tokens.access_token)
    assert claims_of(memory.tokens.access_token)["scope"] == ""
    assert claims["sub"] == "worker" and claims["act"]["sub"] == "ai-identity-gateway"


def test_python_without_a_token_is_challenged(hall):
    async def main():
        async with connected(hall.mcp, "auto", token="not-a-token"):
            raise AssertionError("connected without a credential")

    with pytest.raises(MCPError):
        run(main)
    assert hall.audited("credential.refused", reason="token_not_jwt")


# The TypeScript SDKs.

FLAVOURS = [("v1", "legacy", LEGACY), ("v2", "legacy", LEGACY), ("v2", "auto", MODERN), ("v2", MODERN, MODERN)]


def typescript(node: Node, sdk: str, era: str, url: str, username: str = "ada", **settings) -> dict:
    """Runs the script; takes the browser where the SDK wants it to go."""
    if "token" not in settings:
        settings["redirect"] = REDIRECT
    with node.start("mcp_client.mjs", sdk, era, url, json.dumps(settings)) as process:
        first = process.wait_for(r"^\{.*\}$", stream="out", timeout=60).group()
        if "visit" in (told := json.loads(first)):
            with Browser() as browser:
                process.write(browser.authorize(told["visit"], username, PASSWORDS[username]))
            told = json.loads(process.wait_for(r'^\{"(answers|failed)".*\}$', stream="out", timeout=60).group())
        assert "answers" in told, f"{told}\n{process.transcript()}"
        return told


@pytest.mark.parametrize(("sdk", "era", "version"), FLAVOURS)
def test_typescript_lists_calls_and_fails(hall, tokens, node, sdk, era, version):
    steps = [["listTools", {}]]
    steps += [["callTool", {"name": f"{app}_whoami", "arguments": {}}] for app in audiences(hall)]
    steps += [["callTool", {"name": f"{app}_add", "arguments": {"a": 1, "b": 2}}] for app in ("elder", "newer")]
    steps += [["callTool", {"name": f"{app}_fail", "arguments": {}}] for app in ("elder", "newer")]
    steps += [["callTool", {"name": f"{app}_secret", "arguments": {}}] for app in ("elder", "newer")]
    steps += [["callTool", {"name": "no_such_tool", "arguments": {}}]]
    told = typescript(node, sdk, era, hall.mcp, token=tokens["bob"], steps=steps)
    assert told["version"] == version
    listed, *who, added_elder, added_newer, failed_elder, failed_newer, secret_elder, secret_newer, unknown = told[
        "answers"
    ]
    names = {tool["name"] for tool in listed["tools"]}
    assert {"directory_listEmployees", "elder_add", "newer_add"} <= names and "ledger_getAuditLog" not in names
    for answer, url in zip(who, audiences(hall).values(), strict=True):
        expect_delegated(hall, tokens["bob"], json.loads(answer["content"][0]["text"]), url)
    assert added_elder["structuredContent"] == added_newer["structuredContent"] == {"sum": 3}
    for failed in (failed_elder, failed_newer):
        assert failed["isError"] and "the machine is broken" in failed["content"][0]["text"]
    for secret in (secret_elder, secret_newer):
        assert "Only administrators may ask." in json.dumps(secret) and (secret.get("isError") or "failed" in secret)
    assert unknown["failed"]["code"] == -32602


@pytest.mark.parametrize(("sdk", "era", "version"), FLAVOURS)
@pytest.mark.parametrize("client_id", ["native", CIMD])
def test_typescript_signs_in_by_itself(hall, node, sdk, era, version, client_id):
    steps = [["callTool", {"name": "elder_whoami", "arguments": {}}]]
    if client_id == CIMD:
        settings = {"client_metadata_url": CIMD}
    else:
        settings = {"client": {"client_id": client_id, "issuer": hall.url}}
    told = typescript(node, sdk, era, hall.mcp, steps=steps, **settings)
    token = told["tokens"]["access_token"]
    hall.remember(token, told["tokens"].get("refresh_token", token))
    claims = told["answers"][0]["structuredContent"]
    expect_delegated(hall, token, claims, audiences(hall)["elder"])
    assert claims["act"]["act"]["sub"] == client_id and told["version"] == version


@pytest.mark.parametrize("sdk", ["v1", "v2"])
def test_typescript_refreshes_by_itself(hall, node, sdk):
    call = ["callTool", {"name": "newer_whoami", "arguments": {}}]
    era = "auto" if sdk == "v2" else "legacy"
    settings = {"client": {"client_id": "brief", "issuer": hall.url}}
    told = typescript(node, sdk, era, hall.mcp, steps=[call, ["wait", 3500], call, ["wait", 3500], call], **settings)
    hall.remember(told["tokens"]["access_token"], told["tokens"]["refresh_token"])
    assert [answer.get("structuredContent", answer).get("sub") for answer in told["answers"]] == ["ada"] * 3, told


# What every call has to look like from behind.


def audiences(hall: House) -> dict[str, str]:
    """The apps that can tell who calls, with the audience that their tokens must have."""
    return {"ledger": hall.ledger.url, **{name: server.url for name, server in hall.more_upstreams.items()}}


def expect_delegated(hall: House, inbound: str, claims: dict, audience: str) -> None:
    """`claims` are those of a token that the gateway got for `audience` on behalf of the caller with `inbound`."""
    caller = claims_of(inbound)
    assert claims["aud"] in (audience, [audience]) and claims["iss"] == hall.url
    assert claims["sub"] == caller["sub"] and claims["client_id"] == "ai-identity-gateway"
    assert claims["act"] == {"sub": "ai-identity-gateway", "act": {"sub": caller["client_id"]}}
    assert claims["jti"] != caller["jti"] and claims["exp"] <= caller["exp"]


def sub_of(seen: dict) -> str | None:
    """Whom the token of a request to a server speaks of."""
    headers = dict(zip(map(str.lower, seen["headers"][::2]), seen["headers"][1::2], strict=True))
    token = headers.get("authorization", "").removeprefix("Bearer ")
    return claims_of(token)["sub"] if token.count(".") == 2 else None


async def attempted(call):
    """What a call gives, or the protocol error that it raises."""
    try:
        return await call
    except MCPError as error:
        return error
