"""The Anthropic SDKs at the LLM door, with a static key and with a token of our own, in both credential styles."""

import json

import anthropic
import pytest

from harness.house import claims_of
from harness.node import Node
from upstreams.model_provider import GREETING, KEY

MODEL = "claude-opus-5-5"
HELLO = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def credentials(house) -> dict[str, str]:
    """What callers may show."""
    return {"key": house.key, "token": house.token("ada", resource=house.url)}


def client(house, style: str, credential: str) -> anthropic.Anthropic:
    """`style` is the constructor's argument: `api_key` or `auth_token`."""
    return anthropic.Anthropic(base_url=house.url, max_retries=0, timeout=20, **{style: credential})


@pytest.fixture(autouse=True)
def healthy_provider(house):
    house.provider.reset()


@pytest.mark.parametrize("style", ["api_key", "auth_token"])
@pytest.mark.parametrize("kind", ["key", "token"])
def test_python_messages(house, credentials, style, kind):
    sdk = client(house, style, credentials[kind])
    message = sdk.messages.create(model=MODEL, max_tokens=64, messages=HELLO)
    assert message.content[0].text == GREETING
    assert (message.usage.input_tokens, message.usage.output_tokens) == (25, 9)

    with sdk.messages.stream(model=MODEL, max_tokens=64, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == GREETING
        assert stream.get_final_message().stop_reason == "end_turn"

    assert sdk.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens > 0
    assert MODEL in [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve(MODEL).display_name == "Claude Opus 5.5"

    subject = "team-a" if kind == "key" else claims_of(credentials["token"])["sub"]
    [record, *_] = house.audited("model.call", actor__sub=subject, target__model=MODEL, outcome="allow")
    assert record["tokens"] == record["tokens"] | {"input": 25, "output": 9, "cache_write": 3, "cache_read": 2}


def test_python_request_reaches_the_provider_unchanged(house, credentials):
    sdk = client(house, "api_key", credentials["key"])
    extra = {"a_field_of_tomorrow": {"big": 12345678901234567890123, "order": ["z", "a"]}}
    sdk.messages.create(model=MODEL, max_tokens=64, messages=HELLO, extra_body=extra, extra_headers={"anthropic-beta": "x-2026"})
    seen = house.provider.messages()[-1]
    assert seen.json()["a_field_of_tomorrow"] == extra["a_field_of_tomorrow"]
    assert b"12345678901234567890123" in seen.body
    assert seen.header("anthropic-beta") == "x-2026"
    assert seen.header("anthropic-version") == "2026-10-21"
    assert seen.header("x-api-key") == KEY and seen.header("authorization") is None


def test_python_model_is_renamed_for_its_route(house, credentials):
    sdk = client(house, "api_key", credentials["key"])
    sdk.messages.create(model="claude-sonnet-5", max_tokens=64, messages=HELLO)
    assert house.provider.messages()[-1].json()["model"] == "provider-sonnet"


def test_python_errors_are_typed(house, credentials):
    before = len(house.provider.seen)
    with pytest.raises(anthropic.AuthenticationError) as refused:
        client(house, "api_key", "gwk_nobody").messages.create(model=MODEL, max_tokens=64, messages=HELLO)
    assert refused.value.body["error"]["type"] == "authentication_error"
    assert refused.value.request_id

    sdk = client(house, "auth_token", credentials["token"])
    with pytest.raises(anthropic.PermissionDeniedError, match="Ask for access to this model"):
        sdk.messages.create(model="claude-forbidden", max_tokens=64, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError):
        sdk.messages.create(model=MODEL, max_tokens=64, messages=HELLO, extra_body={"model": 7})
    with pytest.raises(anthropic.APIStatusError) as unknown:
        sdk.messages.create(model="claude-nonexistent", max_tokens=64, messages=HELLO)
    assert unknown.value.status_code in (400, 404) and "claude-nonexistent" in str(unknown.value)
    assert len(house.provider.seen) == before, "a refused request reached the provider"


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (413, "request_too_large", anthropic.ContentTooLargeError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (529, "overloaded_error", anthropic.OverloadedError),
    ],
)
def test_python_errors_of_the_provider_keep_their_class_and_wording(house, credentials, status, kind, raised):
    house.provider.failure = (status, kind)
    for stream in (False, True):
        with pytest.raises(raised, match=f"scripted {kind}") as failed:
            client(house, "auth_token", credentials["token"]).messages.create(
                model=MODEL, max_tokens=64, messages=HELLO, stream=stream
            )
        assert failed.value.status_code == status
        assert failed.value.request_id.startswith("req_") and failed.value.request_id == failed.value.body["request_id"]
        [record] = house.audited("model.call", request__id=failed.value.request_id)
        assert record["actor"]["sub"] == "ada" and record["result"]["status"] == status


def test_python_the_providers_refusal_of_our_key_is_not_the_callers_fault(house, credentials):
    house.provider.failure = (401, "authentication_error")
    with pytest.raises(anthropic.InternalServerError) as failed:
        client(house, "auth_token", credentials["token"]).messages.create(model=MODEL, max_tokens=64, messages=HELLO)
    assert KEY not in str(failed.value)


def test_python_stream_that_breaks_raises(house, credentials):
    house.provider.breaks = 1
    sdk = client(house, "auth_token", credentials["token"])
    text = ""
    with pytest.raises(anthropic.APIError) as broken:
        with sdk.messages.stream(model=MODEL, max_tokens=64, messages=HELLO) as stream:
            for part in stream.text_stream:
                text += part
    assert text and GREETING.startswith(text) and text != GREETING
    assert broken.value.body["error"]["type"] == "api_error"


def test_python_models_are_paged_and_only_those_that_policy_allows(house, credentials):
    sdk = client(house, "api_key", credentials["key"])
    first = sdk.models.list(limit=1)
    assert len(first.data) == 1 and first.has_more
    paged = [model.id for model in first]
    assert paged == ["claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5-20251001"]
    assert paged == [model.id for model in sdk.models.list()]


def test_key_in_its_own_header(house, credentials):
    headers = {"x-api-key": credentials["key"], "authorization": anthropic.Omit()}
    sdk = anthropic.Anthropic(base_url=house.url, api_key="unused", max_retries=0, timeout=20, default_headers=headers)
    assert sdk.messages.create(model=MODEL, max_tokens=64, messages=HELLO).content[0].text == GREETING
    seen = house.provider.messages()[-1]
    assert seen.header("x-api-key") == KEY and seen.header("authorization") is None


@pytest.mark.parametrize("style", ["apiKey", "authToken"])
@pytest.mark.parametrize("kind", ["key", "token"])
def test_typescript(house, credentials, node: Node, style, kind):
    done = node.run("anthropic_sdk.mjs", house.url, style, MODEL, CREDENTIAL=credentials[kind]).check()
    result = json.loads(done.out)
    assert result["text"] == result["streamed"] == GREETING
    assert result["usage"]["input_tokens"] == 25 and result["counted"] > 0
    assert MODEL in result["models"]
    refused, forbidden, unknown = result["refused"], result["forbidden"], result["unknown"]
    assert _error(refused) == ("AuthenticationError", 401, "authentication_error")
    assert _error(forbidden) == ("PermissionDeniedError", 403, "permission_error")
    assert _error(unknown) == ("BadRequestError", 400, "invalid_request_error")
    assert len({one["requestID"] for one in (refused, forbidden, unknown)}) == 3
    user = "team-a" if kind == "key" else "ada"
    [record] = house.audited("model.call", request__id=forbidden["requestID"])
    assert (record["actor"]["sub"], record["outcome"]) == (user, "deny")


def _error(failure: dict) -> tuple:
    assert failure["requestID"].startswith("req_")
    return failure["name"], failure["status"], failure["type"]
