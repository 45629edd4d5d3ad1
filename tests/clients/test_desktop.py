"""Claude Desktop on third-party inference, with this server as its issuer: sign-in, both kinds of token, models, and what
goes wrong."""

import pytest

from harness.desktop import Desktop
from harness.house import House
from upstreams.model_provider import GREETING


@pytest.fixture(autouse=True)
def fresh_provider(house):
    house.provider.reset()


def refusals(house, reason: str, path: str = "") -> list[dict]:
    """The log lines that say that something was refused for this reason, but for those that were only counted."""
    return house.gateway.log_lines(
        lambda line: line.get("reason") == reason and "path" in line and line["path"].startswith(path)
    )


def said(answer) -> str:
    """The sentence of an error of the Messages API."""
    body = answer.json()
    assert body["type"] == "error" and body["request_id"] == answer.headers["request-id"], body
    return body["error"]["message"]


@pytest.mark.parametrize("bearer", ["id_token", "access_token"])
def test_desktop_signs_in_here_and_calls_models(house, bearer):
    mark = house.mark()
    desktop = Desktop(house, bearer=bearer)
    assert desktop.discover().json()["issuer"] == house.url
    assert desktop.sign_in("ada").status_code == 200
    answer = desktop.ask()
    assert answer.status_code == 200 and answer.json()["content"][0]["text"] == GREETING
    [record] = house.audited("model.call", since=mark, actor__sub="ada")
    assert record["actor"]["client_id"] == "claude-desktop" and record["outcome"] == "allow"


def test_desktop_keeps_its_sign_in(house):
    desktop = Desktop(house)
    desktop.sign_in("bob")
    first = desktop.tokens["id_token"]
    for _ in range(2):
        assert desktop.renew().status_code == 200
        assert desktop.tokens["id_token"] != first, "a new ID token comes with every renewal"
        assert desktop.ask().status_code == 200
    # A client that may have no refresh token signs in again once its token ends.
    brief = Desktop(house, "desktop-elsewhere")
    assert brief.sign_in("bob").status_code == 200 and "refresh_token" not in brief.tokens


def test_desktop_lists_what_the_person_may_call(house):
    desktop = Desktop(house)
    desktop.sign_in("ada")
    listed = desktop.models().json()
    assert [model["id"] for model in listed["data"]] == [
        "claude-opus-5-5",
        "claude-sonnet-5",
        "claude-haiku-4-5-20251001",
    ], "what policy closes is not there"
    assert all(model["type"] == "model" for model in listed["data"])


def test_custom_headers_stay_here(house):
    desktop = Desktop(house, headers={"x-department": "research-canary"})
    desktop.sign_in("ada")
    assert desktop.ask().status_code == 200
    assert "research-canary" not in house.provider.messages()[-1].text()


def test_id_tokens_of_other_clients_open_nothing(house):
    other = Desktop(house, "desktop-elsewhere")
    assert other.sign_in("ada").status_code == 200
    assert other.ask().status_code == 401
    assert refusals(house, "token_wrong_audience")


class StrictHouse(House):
    """The same with access tokens only."""

    def _text(self, configuration: str) -> str:
        assert ", jwt: { tokenType: either }" in configuration
        return super()._text(configuration.replace(", jwt: { tokenType: either }", ""))


def test_desktop_id_tokens_need_the_word_in_the_configuration(binary, tmp_path):
    with StrictHouse(binary, tmp_path / "strict") as strict:
        desktop = Desktop(strict)
        desktop.sign_in("ada")
        assert desktop.ask().status_code == 401
        refused = strict.gateway.log_lines(lambda line: line.get("status") == 401)
        assert {line["reason"] for line in refused} == {"token_wrong_audience"}
        working = Desktop(strict, bearer="access_token")
        working.sign_in("ada")
        assert working.ask().status_code == 200


def test_desktop_without_its_oidc_value_is_told_why(house):
    desktop = Desktop(house)
    metadata = desktop.to("GET", "/.well-known/oauth-authorization-server").json()
    assert "device_authorization_endpoint" not in metadata
    answer = desktop.to("POST", "/oauth/device_authorization")
    assert answer.status_code == 404 and "configure inferenceGatewayOidc" in said(answer)
    [line] = refusals(house, "route_unknown", "/oauth/device_authorization")
    assert line["message"] == "request refused"


def test_desktop_with_the_metadata_url_as_its_issuer_is_seen_in_the_log(house):
    desktop = Desktop(house, issuer=f"{house.url}/.well-known/openid-configuration")
    assert desktop.discover().status_code == 404
    doubled = "/.well-known/openid-configuration" * 2
    assert refusals(house, "route_unknown", doubled)


def test_desktop_as_a_confidential_client_fails_at_the_token_endpoint(house):
    desktop = Desktop(house, "relying-party")
    desktop._redirect = "http://127.0.0.1:8765/callback"  # the one that is registered
    answer = desktop.sign_in("ada")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert house.gateway.log_lines(lambda line: "invalid_client" in (line.get("error.code"), line.get("reason")))


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("POST", "/v1/files", "The Files API is not built yet"),
        ("GET", "/v1/files/file_1/content", "The Files API is not built yet"),
        ("POST", "/v1/messages/batches", "Message batches are not built yet"),
        ("GET", "/v1/messages/batches/b_1/results", "Message batches are not built yet"),
        ("GET", "/user/bootstrap", "bootstrap of Claude Desktop is not built yet"),
        ("GET", "/bootstrap", "bootstrap of Claude Desktop is not built yet"),
        ("GET", "/managed/settings", "Managed settings are not built yet"),
        ("POST", "/v1/metrics", "Telemetry is not taken here"),
        ("GET", "/api/oauth/usage", "Usage limits are not built yet"),
        ("GET", "/protocol", "not built yet"),
    ],
)
def test_what_is_not_built_says_so(house, method, path, sentence):
    answer = Desktop(house).to(method, path)
    assert answer.status_code == 404 and sentence in said(answer)
    assert refusals(house, "route_unknown")
