"""Memory is bounded in bytes, in all, before it is allocated: ways in which requests took gigabytes."""

import http.client
import json
import multiprocessing
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from drills.site import INITIALIZE, Site, tool_call

MIB = 1024 * 1024
MOST = 600 * MIB
CONNECTIONS = 100
"""Of one key, each with a body that is not finished."""
CALLERS = 30
"""Each with a call whose arguments are one long list."""
ALLOWED = "package orchestrator\n\nresult := {\"allowed\": input.request.mcp.tool.params.arguments.list[0] == 0}\n"


@pytest.fixture(scope="module")
def node(binary, tmp_path_factory, puppet):
    node = Site(binary, tmp_path_factory.mktemp("memory"), puppet)
    (node.folder / "list.rego").write_text(ALLOWED)
    config = node.folder / "gatehouse.yaml"
    config.write_text(config.read_text() + guarded(puppet.origin) + "".join(caller(n, node) for n in range(CALLERS)))
    with node:
        yield node


def guarded(upstream: str) -> str:
    """An app whose policy reads the list."""
    return f"""
  - name: guarded
    type: mcpProxy
    upstream: {{ transport: stream, stream: {{ url: {upstream}/mcp }} }}
    authorization:
      inbound: {{ opa: {{ name: list, file: list.rego }} }}
      outbound: {{ type: unprotected }}
"""


def caller(number: int, node: Site) -> str:
    return f"""
  - name: caller-{number}
    type: oidc
    clientID: caller-{number}
    credentials: {{ secrets: [{node.secret}] }}
    grantTypes: [client_credentials]
    allowedAudiences: [{node.url}/mcp]
    defaultAudience: {node.url}/mcp
    accessToken: {{ type: jwt, lifetimeSeconds: 900 }}
"""


class Watched:
    """What a gateway takes while something happens, and how somebody else fares meanwhile."""

    def __init__(self, node: Site, figure, way: str):
        self._node, self._figure, self._way = node, figure, way
        self._token = node.tokens(node.url)["access_token"]

    def __enter__(self) -> "Watched":
        # A process of its own: the interpreter of this one is busy with sending.
        self._ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        arguments = (theirs, self._node.port, self._token)
        self._bystander = context.Process(target=ask_on, args=arguments, daemon=True)
        self._bystander.start()
        assert self._ours.recv() == "ready"
        self._node.forget_peak()
        self._began, self._cpu = time.monotonic(), processor_time(self._node)
        self._ours.send("go")
        return self

    def __exit__(self, failed, *_) -> None:
        seconds = time.monotonic() - self._began
        self._ours.send("stop")
        latencies, errors = self._ours.recv()
        self._bystander.join(30)
        if failed:
            return
        latencies.sort()
        peak = self._node.resident(peak=True)
        at = lambda share: round(1000 * latencies[int(share * (len(latencies) - 1))], 1)
        report = {
            "drill": "memory",
            "way": self._way,
            "peak_rss_mib": peak // MIB,
            "cpu_s": round(processor_time(self._node) - self._cpu, 2),
            "seconds": round(seconds, 2),
            "others": len(latencies),
            "others_p50_ms": at(0.5),
            "others_p99_ms": at(0.99),
            "others_errors": len(errors),
        }
        self._figure(json.dumps(report))
        assert peak <= MOST, report
        assert not errors, errors[:3]
        answer = self._node.ask({"do": "reply", "bytes": 2000}, token=self._token)
        assert answer.status_code == 200, answer.text


def ask_on(pipe, port: int, token: str) -> None:
    """Lists the models over and over, on one connection, until told to stop."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    latencies, errors = [], []

    def ask() -> None:
        began = time.monotonic()
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        latencies.append(time.monotonic() - began)
        if answer.status != 200:
            errors.append(f"{answer.status} {body[:200]}")

    ask()
    latencies.clear()
    pipe.send("ready")
    pipe.recv()
    while not pipe.poll() or not latencies:
        try:
            ask()
        except OSError as failure:
            errors.append(repr(failure))
            connection.close()
        time.sleep(0.002)
    pipe.send((latencies, errors))


def processor_time(node: Site) -> float:
    """The seconds of processor time that it has had."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def post(node: Site, path: str, headers: dict, body: bytes, *, held_back: int = 0) -> socket.socket:
    """Sends a request, all but the last bytes of its body, and leaves the answer to the drill."""
    lines = {"host": f"127.0.0.1:{node.port}", "content-type": "application/json", "content-length": len(body), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    connection = socket.create_connection(("127.0.0.1", node.port), timeout=60)
    try:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
        connection.sendall(memoryview(body)[: len(body) - held_back])
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before it had all
    return connection


def answer(connection: socket.socket, seconds: float) -> tuple[int, str] | None:
    """Status and head of the answer, `None` while there is none."""
    connection.settimeout(seconds)
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            data = connection.recv(65536)
            if not data:
                break
            received += data
    except TimeoutError:
        return None
    except ConnectionResetError:
        pass
    head = received.split(b"\r\n\r\n")[0].decode("latin-1")
    return int(head.split(" ")[1]), head.lower()


def in_parallel(count: int, act) -> list:
    """What `act(number)` gives, all at the same time."""
    given = [None] * count

    def run(number: int) -> None:
        given[number] = act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return given


def test_bodies_of_one_key_that_are_never_finished(node, figure):
    """A hundred times 32 MiB were 3.4 GB."""
    body = b'{"model":"drill","max_tokens":1,"messages":[{"role":"user","content":"' + b"a" * (32 * MIB - 200) + b'"}]}'
    headers = {"x-api-key": node.key, "anthropic-version": "2023-06-01"}
    with Watched(node, figure, "unfinished bodies of one key"):
        held = in_parallel(CONNECTIONS, lambda _: post(node, "/v1/messages", headers, body, held_back=1))
        try:
            answers = [answer(connection, 0.2 if number else 2) for number, connection in enumerate(held)]
            refused = [one for one in answers if one]
            assert all(status == 429 and "\r\nretry-after: " in head for status, head in refused), refused[:3]
            waiting = len(answers) - len(refused)
            assert 4 <= waiting <= 8, f"{waiting} of {CONNECTIONS} are taken in"
        finally:
            for connection in held:
                connection.close()
    end = time.monotonic() + 10
    while node.ask({"do": "reply"}).status_code != 200:
        assert time.monotonic() < end, "the key has no room again"


def test_bodies_full_of_tools(node, figure):
    """Six times 31 MiB were 2.2 GB."""
    start = b'{"model":"drill","max_tokens":1,"messages":[],"tools":[{}'
    body = start + b",{}" * ((31 * MIB - len(start)) // 3) + b"]}"
    headers = {"x-api-key": node.key, "anthropic-version": "2023-06-01"}
    with Watched(node, figure, "tools without number"):
        held = in_parallel(6, lambda _: post(node, "/v1/messages", headers, body))
        statuses = [answer(connection, 60)[0] for connection in held]
    assert statuses == [400] * 6


def test_arguments_that_are_one_long_list(node, figure):
    """One of 4 MiB was 150 MiB."""
    room = 4 * MIB - 400
    call = json.dumps(tool_call({"do": "reply", "list": []}, "guarded_act"))
    body = call.replace('"list": []', '"list": [' + "0," * (room // 2) + "0]").encode()
    assert len(body) <= 4 * MIB
    tokens = [machine(node, number) for number in range(CALLERS)]

    def ask(number: int) -> list[int]:
        headers = {"authorization": f"Bearer {tokens[number]}", "accept": "application/json, text/event-stream"}
        headers["mcp-protocol-version"] = "2025-11-25"
        statuses = []
        for _ in range(2):
            with post(node, "/mcp", {**session(node, headers), **headers}, body) as connection:
                statuses.append(answer(connection, 60)[0])
        return statuses

    with Watched(node, figure, "arguments of one long list"):
        statuses = [status for of_one in in_parallel(CALLERS, ask) for status in of_one]
    assert set(statuses) <= {200, 429, 503} and statuses.count(200) >= len(statuses) / 2, statuses


def machine(node: Site, number: int) -> str:
    form = {"grant_type": "client_credentials", "client_id": f"caller-{number}", "client_secret": node.secret}
    answer = node.token(form)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def session(node: Site, headers: dict) -> dict:
    """The header of a session that the caller opens."""
    opened = node.post("/mcp", json=INITIALIZE, headers={k: v for k, v in headers.items() if k != "mcp-protocol-version"})
    assert opened.status_code == 200, opened.text
    return {"mcp-session-id": opened.headers["mcp-session-id"]}
