"""Bodies that are too large: whoever sends one reads why it was refused, not that the connection broke. And offers of
HTTP/2 on a plain connection, which are answered like any other request."""

import http.client
import json
import subprocess
from urllib.parse import urlsplit

import anthropic
import httpx
import pytest

MIB = 1024 * 1024
# Path, header lines, size, and what the refusal says.
DOORS = {
    "models": ("/v1/messages", {"content-type": "application/json"}, 33 * MIB, 413, "request_too_large"),
    "tools": (
        "/mcp",
        {"content-type": "application/json", "accept": "application/json, text/event-stream"},
        6 * MIB,
        413,
        "exceeds",
    ),
    "tokens": ("/oauth2/token", {"content-type": "application/x-www-form-urlencoded"}, 4 * MIB, 413, "exceeds"),
}


@pytest.fixture(params=DOORS)
def large(request, house):
    """URL, header lines, size, and status and text of the refusal."""
    path, headers, size, status, text = DOORS[request.param]
    headers = dict(headers)
    if request.param == "models":
        headers["x-api-key"] = house.key
    elif request.param == "tools":
        headers["authorization"] = f"Bearer {house.token('ada')}"
    return f"{house.url}{path}", headers, size, status, text


def test_node(node, large):
    url, headers, size, status, text = large
    answers = json.loads(node.run("large_body.mjs", url, json.dumps(headers), str(size)).check().out)
    assert len(answers) == 5
    for way, answer in answers.items():
        assert answer.get("status") == status and text in answer["text"], f"{way}: {answer}"


def test_python(large):
    url, headers, size, status, text = large
    body = b"x" * size
    answer = httpx.post(url, headers=headers, content=body, trust_env=False, timeout=30)
    assert answer.status_code == status and text in answer.text, answer.text
    pieces = (body[at : at + MIB] for at in range(0, size, MIB))
    answer = httpx.post(url, headers=headers, content=pieces, trust_env=False, timeout=30)
    assert answer.status_code == status and text in answer.text, answer.text

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("POST", parts.path, body=body, headers=headers)
    response = connection.getresponse()
    assert response.status == status and text in response.read().decode()
    assert response.getheader("connection") == "close"
    connection.close()


def test_a_body_before_a_wrong_credential(house, node):
    headers = {"content-type": "application/json", "x-api-key": "gwk_nobody"}
    answers = json.loads(node.run("large_body.mjs", f"{house.url}/v1/messages", json.dumps(headers), str(40 * MIB)).check().out)
    assert {way: answer.get("status") for way, answer in answers.items()} == dict.fromkeys(answers, 401)


def test_the_sdk_says_what_is_wrong(house):
    sdk = anthropic.Anthropic(base_url=house.url, api_key=house.key, max_retries=0, timeout=30)
    ask = [{"role": "user", "content": "x" * 33 * MIB}]
    with pytest.raises(anthropic.APIStatusError) as refused:
        sdk.messages.create(model="claude-opus-5-5", max_tokens=64, messages=ask)
    assert refused.value.status_code == 413 and "exceeds" in str(refused.value)


@pytest.mark.parametrize("path", ["/healthz", "/.well-known/oauth-authorization-server", "/v1/models", "/api/hello"])
def test_an_offer_of_http2_is_answered(house, path):
    """`curl --http2` offers it by `Upgrade`, as the clients of Java do."""
    origin = house.gateway.admin_url if path == "/healthz" else house.url
    command = ["curl", "-sv", "--http2", "-H", f"x-api-key: {house.key}", f"{origin}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "Upgrade: h2c" in done.stderr and "HTTP/1.1 200 OK" in done.stderr, done.stderr


def test_a_large_body_behind_an_offer_of_http2(house, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"x" * 33 * MIB)
    headers = ["-H", "expect:", "-H", "content-type: application/json", "-H", f"x-api-key: {house.key}"]
    command = ["curl", "-s", "--http2", *headers, "--data-binary", f"@{body}", f"{house.url}/v1/messages"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "request_too_large" in done.stdout
