"""MCP Inspector at the MCP door: what developers of clients and tools look at it with."""

import json

import pytest

from harness.browser import Browser
from harness.house import PASSWORDS
from harness.node import Node
from harness.ports import INSPECTOR, reserved

MEMORY = {"MCP_INSPECTOR_SECRET_STORE": "memory"}


def inspect(node: Node, url: str, *options: str):
    return node.run_client("mcp-inspector", "--cli", url, *options, **MEMORY)


def test_without_a_credential_it_is_told_to_sign_in(house, node):
    done = inspect(node, house.mcp, "--method", "tools/list")
    assert done.code == 3
    assert json.loads(done.err.strip().splitlines()[-1])["error"]["code"] == "auth_required"


@pytest.mark.parametrize("era", ["legacy", "modern", "auto"])
def test_both_eras_list_the_same_tools(house, node, era):
    header = ("--header", f"Authorization: Bearer {house.token('bob')}", "--protocol-era", era)
    done = inspect(node, house.mcp, *header, "--method", "tools/list").check()
    names = {tool["name"] for tool in json.loads(done.out)["tools"]}
    assert {"directory_listEmployees", "ledger_whoami"} <= names and "ledger_getAuditLog" not in names


def test_signs_in_and_calls(house, node):
    options = ["--protocol-era", "auto", "--client-id", "inspector", "--method", "tools/call"]
    tool = ["--tool-name", "directory_listEmployees", "--tool-arg", "department=sales"]
    env = {**MEMORY, "MCP_AUTO_OPEN_ENABLED": "true"}
    with (
        reserved(INSPECTOR),
        node.start_client("mcp-inspector", "--cli", house.mcp, *options, *tool, **env) as process,
    ):
        house.sign_in("ada")(process.wait_for(r"http://\S+response_type=\S+", timeout=60).group())
        process.wait_for("Blaise Pascal", stream="out", timeout=60)
    [called] = house.audited("tool.call", actor__client_id="inspector")
    assert called["actor"]["sub"] == "ada" and called["target"]["tool"] == "directory_listEmployees"


# Where the pages of the Inspector come from, and of anybody.
PAGE, STRANGER = "http://localhost:6274", "http://localhost:6275"


def on_a_page(node: Node, origin: str, sdk: str, era: str, url: str, **settings) -> dict:
    """What the SDK of the Inspector finds out as part of a page, where the rules of browsers hold."""
    settings |= {"page": origin, "steps": [["listTools", {}]]}
    with node.start("mcp_client.mjs", sdk, era, url, json.dumps(settings)) as process:
        told = json.loads(process.wait_for(r"^\{.*\}$", stream="out", timeout=60).group())
        if "visit" in told:
            with Browser() as browser:
                process.write(browser.authorize(told["visit"], "ada", PASSWORDS["ada"]))
            told = json.loads(process.wait_for(r'^\{"(answers|failed)".*\}$', stream="out", timeout=60).group())
        return told


@pytest.mark.parametrize(("sdk", "era"), [("v1", "legacy"), ("v2", "legacy"), ("v2", "auto")])
def test_a_page_of_a_named_origin_signs_in_and_lists(house, node, sdk, era):
    settings = {"client": {"client_id": "native"}, "redirect": "http://127.0.0.1:50123/callback", "scope": "openid"}
    told = on_a_page(node, PAGE, sdk, era, house.mcp, **settings)
    assert "answers" in told, told
    assert "directory_listEmployees" in {tool["name"] for tool in told["answers"][0]["tools"]}


def test_a_page_of_another_origin_gets_nowhere(house, node):
    told = on_a_page(node, STRANGER, "v1", "legacy", house.mcp, token=house.token("ada"))
    assert told["failed"]["message"] == "Failed to fetch", told
