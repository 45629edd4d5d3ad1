"""The parts of the harness and the installed clients, without a gateway."""

import http.server
import json
import threading
from importlib.metadata import version

import pytest

from harness.browser import Browser, forms
from harness.home import CLIENTS
from harness.process import Background
from harness.terminal import Terminal


def test_claude_code_is_the_pinned_version(claude):
    assert claude.run("--version").check().out.startswith("2.1.329 ")


def test_node_is_the_pinned_version(node):
    assert node.run("versions.mjs").check().out.splitlines()[0] == "v22.23.3"


def test_npm_clients_are_the_pinned_versions(node):
    pinned = json.loads((CLIENTS / "package.json").read_text())["dependencies"]
    installed = json.loads(node.run("versions.mjs").check().out.split("\n", 1)[1])
    assert {name: installed[name] for name in pinned} == pinned


def test_python_clients_are_the_pinned_versions():
    assert (version("anthropic"), version("mcp")) == ("2.11.0", "2.3.0")


def test_npm_libraries_load(node):
    assert node.run("load.mjs").check().out.split() == ["anthropic", "oauth4webapi", "oidc-provider", "openid-client"]


def test_mcp_remote_starts_and_reaches_its_server(node, upstream):
    with node.start_client("mcp-remote", f"{upstream.url}/mcp", "--allow-http") as client:
        client.wait_for("POST /mcp|GET /mcp|Connecting|Using", stream="err")
        upstream.wait_for("/mcp")


def test_inspector_starts(node):
    assert "--method" in node.run_client("mcp-inspector", "--cli", "--help").check().out


def test_terminal_finds_a_url_inside_a_hyperlink(home):
    show = r"printf 'go: \033]8;;http://h/a?response_type=code&x=1\007link\033]8;;\007\n'; read answer; echo got:$answer; exit 3"
    with Terminal(["/bin/sh", "-c", show], cwd=home.work, env=home.environment()) as terminal:
        assert terminal.wait_for_url("response_type=") == "http://h/a?response_type=code&x=1"
        terminal.write("yes\n")
        terminal.wait_for("got:yes")
        assert terminal.wait() == 3


def test_terminal_is_wide_enough_for_long_urls(home):
    with Terminal(["/bin/sh", "-c", "stty size"], cwd=home.work, env=home.environment()) as terminal:
        terminal.wait_for("50 4000")


def test_terminal_says_what_was_shown_instead(home):
    with Terminal(["/bin/echo", "nothing here"], cwd=home.work, env=home.environment()) as terminal:
        with pytest.raises(AssertionError, match="nothing here"):
            terminal.wait_for_url("response_type=")


def test_background_process_is_stopped_with_its_children(home):
    with Background(["/bin/sh", "-c", "sleep 600 & echo $!; wait"], cwd=home.work, env=home.environment()) as process:
        child = int(process.wait_for(r"^\d+$").group())
    assert not process.is_running()
    with pytest.raises(AssertionError):
        process.wait_for("never", timeout=1)
    assert _is_gone(child)


def test_forms_are_read_with_hidden_fields_and_buttons():
    page = """<form method=post action="/login?t=1"><input type=hidden name=csrf value="a&amp;b"><input name=username>
      <input type=password name=password><input type=checkbox name=stay><button>Go</button></form>
      <form method=post><button name=decision value=approve>Yes</button><button name=decision value=deny>No</button></form>"""
    login, consent = forms(page)
    assert (login.action, login.method) == ("/login?t=1", "post")
    assert login.fields == {"csrf": "a&b", "username": "", "password": ""}
    assert consent.buttons == [("decision", "approve"), ("decision", "deny")]


@pytest.mark.parametrize(("decision", "answer"), [("approve", "code=c1"), ("deny", "error=access_denied")])
def test_browser_signs_in_and_consents(upstream, decision, answer):
    callback = "http://localhost:1/callback"
    url = f"{upstream.url}/oauth2/auth?response_type=code&state=s1&redirect_uri={callback}"
    with Browser() as browser:
        assert browser.authorize(url, "ada", "right", decision) == f"{callback}?{answer}&state=s1"


def test_browser_gives_up_on_a_wrong_password(upstream):
    url = f"{upstream.url}/oauth2/auth?response_type=code&state=s1&redirect_uri=http://localhost:1/callback"
    with Browser() as browser, pytest.raises(AssertionError, match="no sign-in or consent page"):
        browser.authorize(url, "ada", "wrong")


class Upstream(http.server.BaseHTTPRequestHandler):
    """A sign-in dialogue of the shape that Gatehouse has, to try the browser on."""

    def do_GET(self):
        path = self._seen()
        if path == "/oauth2/auth":
            return self._send(303, location="/login?t=7", cookie="t=secret; HttpOnly; Path=/")
        if path == "/login":
            return self._send(200, body=LOGIN)
        if path == "/consent" and "t=secret" in self.headers.get("cookie", ""):
            return self._send(200, body=CONSENT)
        self._send(404)

    def do_POST(self):
        path = self._seen()
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        if path == "/login" and "csrf=x1" in body:
            right = "username=ada" in body and "password=right" in body
            return self._send(303, location="/consent") if right else self._send(200, body=LOGIN)
        if path == "/consent":
            query = "code=c1" if "decision=approve" in body else "error=access_denied"
            return self._send(303, location=f"http://localhost:1/callback?{query}&state=s1")
        self._send(404)

    def _seen(self) -> str:
        path = self.path.split("?")[0]
        with self.server.changed:
            self.server.paths.append(path)
            self.server.changed.notify_all()
        return path

    def _send(self, status, *, body="", location=None, cookie=None):
        self.send_response(status)
        if location:
            self.send_header("location", location)
        if cookie:
            self.send_header("set-cookie", cookie)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


LOGIN = """<form method="post" action="/login"><input type="hidden" name="csrf" value="x1"><input name="username">
<input type="password" name="password"><button type="submit">Sign in</button></form>"""
CONSENT = """<form method="post" action="/consent"><input type="hidden" name="t" value="7">
<button name="decision" value="approve">Allow</button><button name="decision" value="deny">Deny</button></form>"""


@pytest.fixture
def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.paths, server.changed = [], threading.Condition()
    server.url = f"http://127.0.0.1:{server.server_port}"

    def wait_for(path: str, timeout: float = 30):
        with server.changed:
            assert server.changed.wait_for(lambda: path in server.paths, timeout), server.paths

    server.wait_for = wait_for
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _is_gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split(")")[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
