"""What goes wrong between a client and the gateway, each caused on purpose with the client that people use: what the
person sees, and the line that tells the operator what to do. The rows of docs/recipes/troubleshooting.md name these."""

import json
import re
import subprocess
import time

import pytest

from harness.browser import Browser
from harness.house import HOUSES, PASSWORDS, House
from harness.node import Node
from harness.ports import CLAUDE_CODE, MCP_REMOTE, reserved
from test_mcp_remote import AUTHORIZATION_URL, Host

PORT = ("--callback-port", str(CLAUDE_CODE))
PUBLIC = ("--client-id", "claude-public", *PORT)
CONFIDENTIAL = ("--client-id", "claude-confidential", "--client-secret", *PORT)


class Changed(House):
    """A house whose configuration differs in some places from that of the others."""

    def __init__(self, binary, folder, changes: dict[str, str]):
        super().__init__(binary, folder)
        self.changes = changes

    def _text(self, configuration: str) -> str:
        for old, new in self.changes.items():
            assert configuration.count(old) == 1, f"{old!r} is there {configuration.count(old)} times"
            configuration = configuration.replace(old, new)
        return super()._text(configuration)

    def serve_again(self) -> None:
        """Starts the gateway anew with what its configuration would be now, on the same ports and the same store."""
        file = self.gateway.folder / "gatehouse.yaml"
        assert self.gateway.stop() == 0
        filled = self._text((HOUSES / self._configuration).read_text())
        values = {"@PORT@": self.url.rsplit(":", 1)[1], "@ADMIN_PORT@": self.gateway.admin_port, "@URL@": self.url, "@DIR@": self.gateway.folder}
        for name, value in values.items():
            filled = filled.replace(name, str(value))
        file.write_text(filled)
        self.gateway.start_again()

    def lines(self, message: str, **members) -> list[dict]:
        """The log lines with this message and these members, once there is one."""
        return self.gateway.log_lines(
            lambda line: line.get("message") == message and all(line.get(name) == value for name, value in members.items())
        )


@pytest.fixture
def changed(binary, tmp_path):
    """`changed({old: new})` starts a house with these changes of its configuration."""
    started = []

    def start(changes: dict[str, str] | None = None) -> Changed:
        house = Changed(binary, tmp_path / f"house-{len(started)}", changes or {})
        started.append(house)
        return house.__enter__()

    yield start
    for house in started:
        house.__exit__()
        house.check_canaries()


@pytest.fixture(autouse=True)
def callback_port():
    with reserved(CLAUDE_CODE):
        yield


BRIEF = ("--client-id", "claude-brief", *PORT)
OF_BRIEF = """    preset: claude-code
    public: true
    accessToken: { type: jwt, lifetimeSeconds: 5, claims: { email: staff.email, groups: staff.groups } }
    refreshToken: { allowOfflineAccess: true, lifetimeSeconds: 86400 }"""
OF_CONFIDENTIAL = """    redirectURLs: [http://localhost:29352/callback]
    accessToken: { type: jwt, lifetimeSeconds: 3600,"""
OF_PUBLIC = "    claimsMapping: { email: staff.email, name: staff.name, sub: staff.sub }"


def brief(access: str, refresh: str, grants: str = "authorization_code, refresh_token") -> dict[str, str]:
    """The changes that give `claude-brief` these tokens."""
    changed = f"""    redirectURLs: [http://localhost:29352/callback]
    grantTypes: [{grants}]
    public: true
    accessToken: {{ type: jwt, lifetimeSeconds: {access}, claims: {{ email: staff.email, groups: staff.groups }} }}
{refresh}"""
    return {OF_BRIEF: changed}


def signed_in(house, claude, username: str, *options: str, path: str = "", **env: str) -> None:
    claude.add_server("gw", house.mcp + path, *options, **env)
    claude.login("gw", house.sign_in(username))
    house.remember(*claude.tokens())


def status_once(claude, wanted: str, seconds: float = 30) -> None:
    """Waits until `claude mcp list` says so of the server: tokens here live for seconds."""
    end = time.monotonic() + seconds
    while (found := claude.status("gw")) != wanted:
        assert time.monotonic() < end, f"{found!r} is not {wanted!r}"


def test_a_redirect_that_is_not_registered(changed, claude):
    """The registration knows mcp-remote's path only, as when somebody copied one line of the two."""
    house = changed({"      - http://localhost:29352/callback\n": ""})
    claude.add_server("gw", house.mcp, *PUBLIC)
    with Browser() as browser, claude.terminal("mcp", "login", "gw", "--no-browser") as terminal:
        page = browser.follow(terminal.wait_for_url("response_type=", 90))
        terminal.wait_for("Waiting for authorization")
    assert page.status_code == 400 and "claude-public" in page.text
    differs = "differs in port: 29352, registered 3334; path: /callback, registered /oauth/callback"
    assert differs in page.text, page.text
    [line] = house.lines("redirect_uri is not registered")
    assert line["client.id"] == "claude-public" and differs in json.dumps(line), line


def test_a_secret_that_is_wrong(changed, claude):
    house = changed()
    claude.add_server("gw", house.mcp, *CONFIDENTIAL, MCP_CLIENT_SECRET="not-the-secret")
    shown = claude.login("gw", house.sign_in("bob"), expect=1)
    assert "invalid_client" in shown or "client credentials are wrong" in shown, shown
    line = house.lines("token request refused", reason="invalid_client")[0]
    assert line["client.id"] == "claude-confidential" and "it is wrong, or was rotated" in line["detail"]


def test_a_secret_that_was_rotated(changed, claude):
    house = changed({OF_CONFIDENTIAL: OF_CONFIDENTIAL.replace("3600", "2")})
    signed_in(house, claude, "bob", *CONFIDENTIAL, MCP_CLIENT_SECRET=house.client_secret)
    house.client_secret = "another-secret-of-the-same-client"
    house.serve_again()
    status_once(claude, "! Needs authentication")
    line = house.lines("token request refused", reason="invalid_client")[0]
    assert line["client.id"] == "claude-confidential" and "was rotated" in line["detail"]


def test_an_audience_that_is_not_the_clients(changed, claude):
    house = changed({OF_PUBLIC: f"    allowedAudiences: [https://elsewhere.example]\n{OF_PUBLIC}"})
    claude.add_server("gw", house.mcp, *PUBLIC)

    def visit(url: str) -> None:
        with Browser() as browser:
            browser.client.get(browser.authorize(url, "ada", PASSWORDS["ada"]))

    shown = claude.login("gw", visit, expect=1)
    assert "invalid_target" in shown, shown
    [line] = house.lines("authorization request refused", reason="invalid_target")
    assert house.mcp in line["detail"] and "https://elsewhere.example" in line["detail"], line


def test_a_gateway_that_asks_nobody_to_sign_in_does_not_start(changed, binary):
    house = changed()
    file = house.gateway.folder / "gatehouse.yaml"
    text = file.read_text()
    servers = re.compile(r"      enabled: true\n      servers:\n(?=        - wellKnownEndpoint: \S+\n.*expectedAudiences: \[\S+/mcp\])")
    file.write_text(servers.sub("      enabled: false\n      servers:\n", text, count=1))
    done = subprocess.run([binary, "check", "--config", file], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0, done.stdout
    assert "mcpProvider.authorization.oauth.enabled: callers are always authenticated" in done.stdout + done.stderr


def test_a_url_that_is_not_the_gateways(changed, claude):
    """A client that finds no metadata asks nobody to sign in."""
    house = changed()
    claude.add_server("gw", house.url + "/wrong", *PUBLIC)
    assert claude.status("gw").startswith("✘ Failed to connect — MCP endpoint not found")
    line = house.lines("request refused", reason="route_unknown", path="/wrong")[0]
    assert line["status"] == 404


def test_an_access_token_that_is_not_renewed(changed, claude):
    house = changed(brief("2", "    refreshToken: { lifetimeSeconds: 86400 }", grants="authorization_code"))
    signed_in(house, claude, "ada", *BRIEF)
    status_once(claude, "! Needs authentication")
    assert not [one for one in house.audit() if one["event"] == "token.refresh"]
    [told] = [line["problem"] for line in house.lines("configuration") if "apps[2].grantTypes" in line["problem"]]
    assert "users sign in again whenever an access token expires" in told


def test_a_refresh_token_that_has_ended(changed, claude):
    house = changed(brief("2", "    refreshToken: { allowOfflineAccess: true, lifetimeSeconds: 3 }"))
    signed_in(house, claude, "ada", *BRIEF)
    status_once(claude, "! Needs authentication")
    line = house.lines("token request refused", reason="refresh_expired")[0]
    assert line["user"] == "ada" and line["grant"] and "refreshToken.lifetimeSeconds" in line["detail"]


def test_a_person_who_declines(changed, claude):
    house = changed()
    claude.add_server("gw", house.mcp, *PUBLIC)

    def decline(url: str) -> None:
        with Browser() as browser:
            browser.client.get(browser.authorize(url, "ada", PASSWORDS["ada"], "deny"))

    shown = claude.login("gw", decline, expect=1)
    assert "access_denied - the user declined" in shown, shown
    [line] = house.lines("authorization request refused", reason="user_declined")
    assert (line["client.id"], line["user"]) == ("claude-public", "ada")


def test_tools_that_are_hidden_or_cannot_be_listed(changed, claude):
    """The client is connected, and offers nothing."""
    listing = "listing: { opa: { name: ledger-listing, file: @HOUSES@/ledger_listing.rego } }"
    nobody = "listing: { opa: { name: nobody, rego: 'package orchestrator\n\ndefault result := {\"allowed\": false}' } }"
    house = changed({listing: nobody.replace("\n", "\n\n      ")})
    signed_in(house, claude, "ada", *PUBLIC)
    house.directory.__exit__()
    assert claude.status("gw") == "✔ Connected"
    claude.ask("go", base_url=house.url, ANTHROPIC_API_KEY=house.key, ENABLE_TOOL_SEARCH="false")
    offered = [tool["name"] for tool in house.provider.messages()[-1].json()["tools"]]
    assert not [name for name in offered if name.startswith("mcp__gw__ledger")], offered
    listed = house.audited("tool.list")[-1]
    assert listed["hidden"] == [{"policy": "nobody", "verdict": "policy_denied", "count": 4}], listed
    # And where the server itself is gone, that is said.
    house.ledger.__exit__()
    house.gateway.restart()
    assert claude.status("gw") == "✔ Connected"
    line = house.lines("the tools of an app cannot be listed")[0]
    assert (line["app"], line["reason"]) == ("ledger", "upstream_unreachable") and "Connection refused" in line["detail"]


def test_a_person_whose_access_was_ended(changed, claude, binary):
    house = changed()
    signed_in(house, claude, "ada", *PUBLIC)
    assert claude.status("gw") == "✔ Connected"
    command = [binary, "revoke", "--config", house.gateway.folder / "gatehouse.yaml", "--user", "ada"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    house.lines("an operator ended the sign-ins of a user", user="ada")
    status_once(claude, "! Needs authentication")


def test_tools_that_fail_say_which_request_it_was(changed, home):
    house = changed()
    options = ("--static-oauth-client-info", json.dumps({"client_id": "claude-public"}))
    env = {"MCP_REMOTE_CONFIG_DIR": str(home.folder / "auth")}
    with reserved(MCP_REMOTE), Node(home).start_client("mcp-remote", house.mcp, MCP_REMOTE, *options, **env) as process:
        house.sign_in("ada")(process.wait_for(AUTHORIZATION_URL, timeout=60).group())
        host = Host(process)
        host.initialize()

        def fails(tool: str, says: str, reason: str) -> None:
            answer = json.dumps(host.answer("tools/call", {"name": tool, "arguments": {}}))
            assert says in answer, answer
            request = re.search(r"\(request (req_[\w-]+)\)", answer)[1]
            [line] = house.lines("tool call failed", **{"request.id": request})
            assert (line["reason"], line["tool"]) == (reason, tool), line

        house.directory.refuse_everybody()
        fails("directory_listEmployees", "The API answered HTTP 401.", "upstream_refused_credential")
        house.directory.__exit__()
        fails("directory_listEmployees", "The upstream could not be reached.", "upstream_unreachable")
        house.ledger.__exit__()
        fails("ledger_listAccounts", "The upstream could not be reached.", "upstream_unreachable")


def test_a_gateway_that_names_another_issuer(changed, claude, binary):
    """Nobody is there: the client cannot begin, and `check` and the log say why."""
    servers = """        - wellKnownEndpoint: @URL@/.well-known/oauth-authorization-server
          tokenValidation: { expectedAudiences: [@URL@/mcp] }"""
    house = changed({servers: servers.replace("@URL@/.well-known/oauth", "http://127.0.0.1:9/.well-known/oauth")})
    claude.add_server("gw", house.mcp, *PUBLIC)
    assert claude.status("gw").startswith("✘ Failed to connect — ECONNREFUSED")
    file = house.gateway.folder / "gatehouse.yaml"
    done = subprocess.run([binary, "check", "--config", file], capture_output=True, text=True, timeout=30)
    says = f"clients are sent to http://127.0.0.1:9, but the issuer of this file is {house.url}"
    assert says in done.stdout + done.stderr, done.stdout
    assert [line for line in house.lines("configuration") if says in line["problem"]]
