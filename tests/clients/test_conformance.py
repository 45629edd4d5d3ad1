"""The MCP conformance suite: its server scenarios through the gateway before servers of both eras, at both revisions,
and its authorization server scenarios. What is known to be missing stands in `conformance/`, with reasons; anything
else that fails, fails here."""

import re

import httpx
import pytest

from harness.browser import Browser
from harness.gateway import free_port
from harness.home import CLIENTS, Home
from harness.house import PASSWORDS, House
from harness.node import Node
from harness.process import Finished

# What this gateway promises. These must run and pass, whatever else does.
PROMISED = {
    "2025-11-25": """server-initialize ping tools-list tools-call-simple-text tools-call-image tools-call-audio
        tools-call-embedded-resource tools-call-mixed-content tools-call-error tools-call-with-progress
        server-sse-multiple-streams dns-rebinding-protection""",
    "2026-07-28": """server-stateless tools-list tools-call-simple-text tools-call-image tools-call-audio
        tools-call-embedded-resource tools-call-mixed-content tools-call-error tools-call-with-progress
        server-sse-multiple-streams dns-rebinding-protection input-required-result-unsupported-methods
        input-required-result-validate-input""",
}
# Promised too, but not scored by the suite.
UNSCORED = [
    "server-session-lifecycle",
    "json-schema-2020-12",
    "http-header-validation",
    "http-custom-header-server-validation",
]


@pytest.fixture(scope="module")
def node(tmp_path_factory) -> Node:
    return Node(Home(tmp_path_factory.mktemp("suite") / "home"))


@pytest.fixture(scope="module")
def stage(binary, tmp_path_factory, node):
    """A gateway before a server of each era, whose tools are those that the suite calls."""
    ports = {era: free_port() for era in ("elder", "newer")}
    urls = {era.upper(): f"http://127.0.0.1:{port}/mcp" for era, port in ports.items()}
    servers = [node.start("conformance_server.mjs", era, port) for era, port in ports.items()]
    try:
        for server in servers:
            server.wait_for("^ready$", stream="out", timeout=60)
        folder = tmp_path_factory.mktemp("stage")
        with House(binary, folder, "conformance.yaml", **urls) as stage:
            yield stage
    finally:
        for server in servers:
            server.stop()


@pytest.fixture(scope="module")
def signed_in(stage, node):
    """For each app, a URL at which every request carries a token of ada's."""
    shims, urls = [], {}
    try:
        for app in ("elder", "newer"):
            port = free_port()
            token = stage.token("ada", resource=f"{stage.mcp}/{app}")
            shims.append(node.start("bearer_shim.mjs", port, httpx.URL(stage.url).port, token))
            shims[-1].wait_for("^ready$", stream="out", timeout=60)
            urls[app] = f"http://127.0.0.1:{port}/mcp/{app}"
        yield urls
    finally:
        for shim in shims:
            shim.stop()


def suite(node: Node, *arguments: str) -> Finished:
    return node.run_client("conformance", *arguments, timeout=300)


@pytest.mark.parametrize("app", ["elder", "newer"])
@pytest.mark.parametrize("revision", list(PROMISED))
def test_server_scenarios(signed_in, node, revision, app):
    known = CLIENTS / "conformance" / f"{revision}.yml"
    url = signed_in[app]
    done = suite(node, "server", "--url", url, "--requirements", revision, "--expected-failures", str(known)).check()
    passed = set(re.findall(r"^✓ ([\w-]+): \d+ passed, 0 failed", done.out, re.M))
    assert set(PROMISED[revision].split()) <= passed, done.out


@pytest.mark.parametrize("app", ["elder", "newer"])
@pytest.mark.parametrize("scenario", UNSCORED)
def test_unscored_server_scenarios(signed_in, node, scenario, app):
    suite(node, "server", "--url", signed_in[app], "--scenario", scenario).check()


def test_authorization_server_scenarios(stage, node):
    """The suite opens no browser: it prints where to go. It never shows a client secret to a server that offers
    `none`, so its client is a public one."""
    arguments = ["authorization", "--url", stage.url, "--client-id", "native", "--resource", stage.mcp]
    with node.start_client("conformance", *arguments, "--port", free_port()) as process:
        url = process.wait_for(rf"{re.escape(stage.url)}/oauth2/auth\?\S+", stream="any", timeout=60).group()
        with Browser() as browser:
            answer = browser.sign_in(url, "ada", PASSWORDS["ada"])
            assert answer.status_code == 200, answer.text
        process.wait_for(r"^✓ authorization-code-grant: \d+ passed, 0 failed", stream="out", timeout=60)
        process.wait_for(r"^✓ authorization-server-metadata-endpoint: \d+ passed, 0 failed", stream="out", timeout=60)
