"""Limits of the listener: how much, how slow and from where."""

import http.client
import select
import socket
import time
from urllib.parse import urlencode

import pytest

from drills.site import Site

HEAD_SECONDS = 1
IDLE_SECONDS = 4
BODY_SECONDS = 2
PER_ADDRESS = 256


@pytest.fixture(scope="module")
def node(binary, tmp_path_factory, puppet):
    patience = {"HEAD_SECONDS": HEAD_SECONDS, "IDLE_SECONDS": IDLE_SECONDS, "BODY_SECONDS": BODY_SECONDS}
    with Site(binary, tmp_path_factory.mktemp("limits"), puppet, **patience) as node:
        yield node


@pytest.fixture(scope="module")
def token(node):
    return node.tokens()["access_token"]


def receive_all(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while data := connection.recv(65536):
            answer += data
    except ConnectionResetError:
        pass
    return answer


def get(node: Site, *lines: str, path: str = "/.well-known/openid-configuration", host: str | None = None):
    head = [f"GET {path} HTTP/1.1", f"host: {host or f'127.0.0.1:{node.port}'}", "connection: close", *lines]
    return ask(node, "\r\n".join([*head, "", ""]).encode("latin-1"))


def ask(node: Site, text: bytes) -> int:
    """The status of one request. The sending side stays open, as clients keep it."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=30) as connection:
        try:
            connection.sendall(text)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it had all
        answer = receive_all(connection)
    assert answer, "the connection was closed without an answer"
    return int(answer.split(b" ")[1])


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["x-a: b"] * 98, 200),  # with Host and Connection, a hundred
        (["x-a: b"] * 99, 431),
        (["x-a: b"] * 5000, 431),
        (["x-a: " + "b" * 16_000], 200),
        (["x-a: " + "b" * 16_400], 431),
        (["x-a: " + "b" * 15_000, "x-b: " + "b" * 15_000], 200),
        (["x-a: " + "b" * 15_000, "x-b: " + "b" * 15_000, "x-c: " + "b" * 15_000], 431),
        (["x-a: " + "b" * 1_000_000], 431),
        (["x_a: b"], 400),
        (["x-a : b"], 400),
        (["x-a: b", " folded"], 400),
        (["x-a: b\x00c"], 400),
        (["transfer-encoding: chunked, identity"], 400),
        (["transfer-encoding: xchunked"], 400),
        (["content-length: 1", "content-length: 2"], 400),
        (["upgrade: websocket", "connection: upgrade"], 200),  # an offer, which need not be taken up
    ],
    ids=lambda value: f"{len(value)}x{value[0][:12]}+{len(value[0])}" if isinstance(value, list) else str(value),
)
def test_request_heads(node, lines, status):
    assert get(node, *lines) == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("127.0.0.1", 421),
        ("127.0.0.1:1", 421),
        ("127.0.0.1:@PORT@.evil.example", 421),
        ("evil.example@127.0.0.1:@PORT@", 400),
        ("127.0.0.1:@PORT@/x", 400),
        ("LOCALHOST:@PORT@", 200),
    ],
)
def test_hosts(node, host, status):
    assert get(node, host=host.replace("@PORT@", str(node.port))) == status


def test_a_request_names_one_host(node):
    path = "/.well-known/openid-configuration"
    assert ask(node, f"GET {path} HTTP/1.1\r\nconnection: close\r\n\r\n".encode()) == 400
    both = f"host: 127.0.0.1:{node.port}\r\nhost: 127.0.0.1:{node.port}\r\n"
    assert ask(node, f"GET {path} HTTP/1.1\r\n{both}connection: close\r\n\r\n".encode()) == 400
    other = f"GET http://evil.example{path} HTTP/1.1\r\nhost: 127.0.0.1:{node.port}\r\nconnection: close\r\n\r\n"
    assert ask(node, other.encode()) == 400


SMUGGLED = "GET /.well-known/openid-configuration HTTP/1.1\r\nhost: @HOST@\r\n\r\n"


@pytest.mark.parametrize("order", [("content-length", "transfer-encoding"), ("transfer-encoding", "content-length")])
@pytest.mark.parametrize("length", [3, 5 + len(SMUGGLED)])
def test_nothing_is_smuggled_behind_two_lengths(node, order, length):
    host = f"127.0.0.1:{node.port}"
    values = {"content-length": length, "transfer-encoding": "chunked"}
    framing = "".join(f"{name}: {values[name]}\r\n" for name in order)
    head = f"POST /oauth2/token HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    text = f"{head}{framing}\r\n0\r\n\r\n{SMUGGLED.replace('@HOST@', host)}"
    with socket.create_connection(("127.0.0.1", node.port), timeout=20) as connection:
        connection.sendall(text.encode())
        answer = receive_all(connection)
    # Whichever of the two somebody else goes by: nothing is done, and whatever follows is not read any more.
    assert answer.count(b"HTTP/1.1 ") == 1 and answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("path", ["/mcp", "/v1/messages"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_foreign_pages_reach_no_protected_door(node, token, path, origin):
    credential = token if path == "/mcp" else node.key
    headers = {"origin": origin, "authorization": f"Bearer {credential}", "accept": "application/json"}
    assert node.post(path, json={}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("path", "limit", "kind"),
    [
        ("/oauth2/token", 64 * 1024, "application/x-www-form-urlencoded"),
        ("/mcp", 4 * 1024 * 1024, "application/json"),
        ("/v1/messages", 32 * 1024 * 1024, "application/json"),
    ],
)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_bodies(node, token, path, limit, kind, declared):
    credential = node.key if path == "/v1/messages" else token
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{node.port}\r\nauthorization: Bearer {credential}\r\n"
        f"content-type: {kind}\r\nconnection: close\r\naccept: application/json, text/event-stream\r\n"
    )
    if path == "/oauth2/token":
        head = head.replace(f"authorization: Bearer {credential}\r\n", "")
    if declared:  # refused for what it says, before a byte of it is sent
        assert ask(node, f"{head}content-length: {limit + 1}\r\n\r\n".encode()) == 413
        return
    before = node.resident()
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (limit + 1, b"a" * (limit + 1))
    assert ask(node, f"{head}transfer-encoding: chunked\r\n\r\n".encode() + body) == 413
    assert node.resident() - before < 3 * limit + 8 * 1024 * 1024


@pytest.mark.parametrize("refused", ["/mcp", "/v1/messages", "/nowhere", "/oauth2/jwks"])
def test_a_refused_request_leaves_its_connection_usable(node, refused):
    """The body comes after the answer could have been given. Clients that keep connections find the next request
    answered, and those that send much see why they are refused rather than a broken pipe."""
    body = b'{"a":"' + b"a" * 1_500_000 + b'"}'
    head = (
        f"POST {refused} HTTP/1.1\r\nhost: 127.0.0.1:{node.port}\r\nauthorization: Bearer expired\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    connection = node.connect(timeout=20)
    connection.sock.sendall(head.encode())
    time.sleep(0.1)  # time in which a hasty server closes
    connection.sock.sendall(body)
    response = http.client.HTTPResponse(connection.sock, method="POST")
    response.begin()
    assert response.status in (401, 404, 405) and response.getheader("connection") is None
    assert response.read()
    connection.request("GET", "/.well-known/openid-configuration")
    assert connection.getresponse().status == 200


def test_a_refused_body_that_does_not_come_ends_its_connection(node):
    head = (
        f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{node.port}\r\nauthorization: Bearer expired\r\n"
        "content-type: application/json\r\ncontent-length: @LENGTH@\r\n@MORE@\r\n"
    )
    for length, more in ((100, ""), (100_000_000, ""), (100, "expect: 100-continue\r\n")):
        with socket.create_connection(("127.0.0.1", node.port), timeout=20) as connection:
            connection.sendall(head.replace("@LENGTH@", str(length)).replace("@MORE@", more).encode())
            answer = receive_all(connection)
        assert answer.startswith(b"HTTP/1.1 401 ") and b"\r\nconnection: close\r\n" in answer, answer


def test_silent_and_slow_connections_are_closed(node, figure):
    """Nothing, half a request line, a header every now and then: none gets more than the time for a head."""
    silent = socket.create_connection(("127.0.0.1", node.port), timeout=20)
    half = socket.create_connection(("127.0.0.1", node.port), timeout=20)
    half.sendall(b"GET / HT")
    slow = socket.create_connection(("127.0.0.1", node.port), timeout=20)
    slow.sendall(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    slow.settimeout(0.1)
    while time.monotonic() < began + 20:
        try:
            slow.sendall(b"x-a: b\r\n")
            if not slow.recv(65536):
                break
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            break
    took = [time.monotonic() - began]
    for connection in (silent, half):
        answer = receive_all(connection)
        assert not answer or answer.split(b" ")[1] in (b"400", b"408"), answer
        took.append(time.monotonic() - began)
    figure(f"silent, half and slow heads given up after {max(took):.1f} s with {HEAD_SECONDS} s for a head")
    assert max(took) < 5 * HEAD_SECONDS


def test_a_connection_may_rest_between_requests_but_not_for_ever(node, figure):
    resting = node.connect()
    resting.auto_open = 0
    resting.connect()
    for pause in (0, 2 * HEAD_SECONDS):
        time.sleep(pause)
        resting.request("GET", "/.well-known/openid-configuration")
        assert resting.getresponse().read()
    began = time.monotonic()
    resting.sock.settimeout(20)
    assert resting.sock.recv(1) == b""
    took = time.monotonic() - began
    figure(f"a connection without requests ended after {took:.1f} s with {IDLE_SECONDS} s to rest")
    assert took > IDLE_SECONDS - 0.5


@pytest.mark.parametrize(("piece", "is_served"), [(10, False), (2000, True)], ids=["10 B", "2 kB"])
def test_bodies_may_be_slow_but_not_crawl(node, figure, piece, is_served):
    """A kibibyte per second is enough, however long it takes in all."""
    steps = 24
    body = urlencode({"grant_type": "refresh_token", "client_id": "native", "refresh_token": "x"}).encode()
    body += b"&pad=" + b"a" * (steps * piece - len(body) - 5)
    head = (
        f"POST /oauth2/token HTTP/1.1\r\nhost: 127.0.0.1:{node.port}\r\nconnection: close\r\n"
        f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", node.port), timeout=20) as connection:
        connection.sendall(head.encode())
        for number in range(steps):
            try:
                connection.sendall(body[number * piece : (number + 1) * piece])
            except (BrokenPipeError, ConnectionResetError):
                break
            if select.select([connection], [], [], 0.1)[0]:
                break
        answer = receive_all(connection)
    took = time.monotonic() - began
    if is_served:
        assert took > BODY_SECONDS and b'"invalid_grant"' in answer, answer
    else:
        assert not answer or b"arrives too slowly" in answer, answer
        assert took < 3 * BODY_SECONDS
        figure(f"a crawling body given up after {took:.1f} s with {BODY_SECONDS} s to bring a kibibyte")


def test_one_address_gets_so_many_connections_at_work(site, puppet, figure):
    node = site(LIMITS=f"{{ perAddress: {PER_ADDRESS} }}")
    held = [node.begin_message({"do": "wait", "mark": "limits"}, stream=False) for _ in range(PER_ADDRESS)]
    time.sleep(1)  # now all are at work, so none gives way to another
    refused = [socket.create_connection(("127.0.0.1", node.port), timeout=20) for _ in range(20)]
    try:
        assert all(is_closed(connection, 20) for connection in refused)
        assert not any(is_closed(connection.sock, 0) for connection in held)
    finally:
        puppet.release("limits")
        for connection in (*held, *refused):
            connection.close()
    figure(f"connection {PER_ADDRESS + 1} of one address is closed at once while all others are at work")
    end = time.monotonic() + 10
    while not answers(node):
        assert time.monotonic() < end, "there is no room again"
        time.sleep(0.05)


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the server has closed it, or does so in time."""
    readable, _, _ = select.select([connection], [], [], seconds)
    if not readable:
        return False
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def answers(node: Site) -> bool:
    try:
        return get(node) == 200
    except (AssertionError, OSError):
        return False
