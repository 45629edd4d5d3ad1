"""Claude Code and the models: every id that it asks for by itself is served, and no answer of a provider leaves it
hanging."""

import json
import re
import subprocess
import time

import pytest

from harness.gateway import Gateway, free_port
from upstreams.model_provider import GREETING, KEY, ModelProvider


class Starter:
    """What `gatehouse init` writes, served before a scripted provider."""

    def __init__(self, binary, folder, timeouts: str = ""):
        folder.mkdir()
        self.provider, port = ModelProvider(), free_port()
        file = folder / "written.yaml"
        command = [binary, "init", "--public-url", f"http://localhost:{port}", "--config", file]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
        self.key = re.search(r"^API key:\s+(\S+)$", done.stdout, re.M)[1]
        text = file.read_text()
        text = re.sub(r"(?m)^(admin:\n  address: 127\.0\.0\.1:)\d+$", r"\g<1>@ADMIN_PORT@", text)
        text = text.replace("    provider: anthropic\n", f"    provider: anthropic\n    baseURL: {self.provider.origin}\n")
        text = text.replace("llmProvider:\n", f"llmProvider:\n  timeouts: {{ {timeouts} }}\n")
        self.provider.__enter__()
        self.gateway = Gateway.start(binary, text, folder, port=port, env={"ANTHROPIC_API_KEY": KEY})
        self.url = f"http://localhost:{port}"

    def ask(self, claude, *options: str, expect: int = 0, prompt: str = "go", **env: str) -> dict:
        env.setdefault("ANTHROPIC_AUTH_TOKEN", self.key)
        return claude.ask(prompt, *options, base_url=self.url, expect=expect, **env)

    def lines(self, message: str) -> list[dict]:
        """The log lines with this message."""
        return [line for line in self.gateway.log() if line["message"] == message]

    def lines_after(self, before: int, message: str) -> list[dict]:
        """Those after the first `before`, once there is one: a line may be written after the client has its answer."""
        end = time.monotonic() + 10
        while len(told := self.lines(message)) <= before and time.monotonic() < end:
            time.sleep(0.05)
        return told[before:]

    def last_record(self) -> dict:
        """The last record of a model call."""
        file = self.gateway.folder / "gatehouse-audit.jsonl"
        end = time.monotonic() + 10
        while time.monotonic() < end:
            records = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
            calls = [one for one in records if one["event"] == "model.call"]
            if calls:
                return calls[-1]
            time.sleep(0.05)
        raise AssertionError("no model call was recorded")


@pytest.fixture(scope="module")
def starter(binary, tmp_path_factory):
    starter = Starter(binary, tmp_path_factory.mktemp("starter") / "house")
    yield starter
    starter.gateway.stop()
    starter.provider.__exit__()


@pytest.fixture(scope="module")
def hurried(binary, tmp_path_factory):
    """The same, and no provider may take long."""
    timeouts = "firstEvent: 4s, wholeReply: 4s, ping: 1s, idle: 4s, total: 6s, retries: 4s, rateLimitedRetries: 4s"
    hurried = Starter(binary, tmp_path_factory.mktemp("hurried") / "house", timeouts)
    yield hurried
    hurried.gateway.stop()
    hurried.provider.__exit__()


@pytest.fixture(autouse=True)
def fresh(starter):
    starter.provider.reset()


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ((), "claude-opus-5-5"),
        (("--model", "sonnet"), "claude-sonnet-5-5"),
        (("--model", "haiku"), "claude-haiku-5-5"),
        (("--model", "opus"), "claude-opus-5-5"),
        (("--model", "opusplan"), "claude-sonnet-5-5"),
        (("--model", "opusplan", "--permission-mode", "plan"), "claude-opus-5-5"),
        (("--model", "fable"), "claude-fable-5-2"),
        (("--model", "sonnet[1m]"), "claude-sonnet-5-5"),
        (("--model", "claude-haiku-4-5-20251001"), "claude-haiku-4-5-20251001"),
        (("--model", "claude-of-tomorrow-9"), "claude-of-tomorrow-9"),
    ],
)
def test_the_starter_serves_what_it_asks_for(starter, claude, options, asked):
    before = len(starter.provider.messages())
    assert starter.ask(claude, *options)["result"] == GREETING
    assert starter.provider.models()[before:] == [asked]


def test_the_starter_serves_the_embedded_mode(starter, claude):
    before = len(starter.provider.messages())
    assert starter.ask(claude, CLAUDE_CODE_USE_GATEWAY="1")["result"] == GREETING
    assert starter.provider.models()[before:] == ["claude-opus-4-7"]


@pytest.mark.parametrize(
    ("model", "category", "next_one"),
    [("opus", "cyber", "claude-opus-4-8"), ("opus", "bio", "claude-opus-5"), ("fable", "cyber", "claude-opus-4-8")],
)
def test_a_refusal_leads_to_another_model_that_is_there(starter, claude, model, category, next_one):
    before = len(starter.provider.messages())
    starter.provider.refusals = {"claude-opus-5-5": category, "claude-fable-5-2": category}
    assert starter.ask(claude, "--model", model)["result"] == GREETING
    assert starter.provider.models()[-1] == next_one, starter.provider.models()[before:]


@pytest.mark.parametrize("kind", ["haiku", "sonnet", "opus"])
def test_agents_have_their_models(starter, claude, kind):
    before = len(starter.provider.messages())
    task = {"description": "look", "prompt": "look", "subagent_type": "general-purpose", "model": kind}
    starter.provider.tool_call = ("Agent", task)
    starter.ask(claude, "--allowedTools", "Task,Agent")
    assert f"claude-{kind}-5-5" in starter.provider.models()[before:]


def test_a_provider_that_is_overloaded_gives_way_to_the_model_that_the_user_named(starter, claude):
    starter.provider.failure = (529, "overloaded_error")
    answer = starter.ask(claude, "--fallback-model", "haiku", expect=1)
    assert answer["api_error_status"] == 529
    assert {"claude-opus-5-5", "claude-haiku-5-5"} <= set(starter.provider.models())


def test_a_model_that_nobody_has_is_refused_at_once(starter, claude):
    answer = starter.ask(claude, "--model", "gpt-4", expect=1)
    assert answer["api_error_status"] == 400 and "`gpt-4` is not available through this gateway" in answer["result"]
    record = starter.last_record()
    assert (record["reason"], record["target"]["model"]) == ("model_unknown", "gpt-4")

    starter.provider.failure = (404, "not_found_error")
    answer = starter.ask(claude, "--model", "claude-none-1", expect=1)
    assert answer["api_error_status"] == 400 and "`claude-none-1` is not available" in answer["result"]
    assert "claude-none-1" in [line["model"] for line in starter.lines_after(0, "model provider refused a request")]


def test_the_picker_shows_what_the_provider_lists(starter, claude):
    starter.provider.listed.append("claude-preview-9")
    starter.ask(claude, CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY="1")
    asked = [seen.target for seen in starter.provider.seen if seen.target.startswith("/v1/models")]
    assert asked == ["/v1/models?limit=1000"]


OURS = "model provider refused the gateway's account or route"


@pytest.mark.parametrize(
    ("status", "kind", "shown", "says", "line"),
    [
        (401, "authentication_error", 502, "refused the gateway's own credential", OURS),
        (403, "permission_error", 502, "refused the gateway's own credential", OURS),
        (407, "permission_error", 502, "refused the gateway's own credential", OURS),
        (404, "not_found_error", 502, "does not offer what this route names", OURS),
        (405, "invalid_request_error", 502, "does not offer what this route names", OURS),
        (302, "api_error", 502, "a redirect, which is not followed", OURS),
        (402, "billing_error", 402, "scripted billing_error", OURS),
        (501, "api_error", 501, "scripted api_error", "model provider failed"),
        (511, "api_error", 511, "scripted api_error", "model provider failed"),
        (400, "invalid_request_error", 400, "scripted invalid_request_error", "model provider refused a request"),
        (413, "request_too_large", 413, "Request too large", "model provider refused a request"),
        (422, "invalid_request_error", 422, "scripted invalid_request_error", "model provider refused a request"),
    ],
)
def test_what_lasts_is_shown_at_once(starter, claude, status, kind, shown, says, line):
    starter.provider.failure = (status, kind)
    began, before = time.monotonic(), len(starter.lines(line))
    answer = starter.ask(claude, expect=1)
    assert time.monotonic() - began < 15, "the client tried again"
    assert answer["api_error_status"] == shown and says in answer["result"]
    told = starter.lines_after(before, line)
    assert told and told[0]["app"] == "anthropic" and told[0]["status"] == status
    assert starter.last_record()["attempts"][0]["status"] == status


@pytest.mark.parametrize(
    ("status", "kind"), [(500, "api_error"), (504, "timeout_error"), (409, "conflict_error"), (408, "timeout_error")]
)
def test_what_may_pass_is_tried_again_for_seconds_not_minutes(starter, claude, status, kind):
    starter.provider.failure = (status, kind)
    began, before = time.monotonic(), len(starter.provider.messages())
    answer = starter.ask(claude, expect=1)
    assert time.monotonic() - began < 45
    assert answer["api_error_status"] == status and f"scripted {kind}" in answer["result"]
    assert len(starter.provider.messages()) - before > 3, "it is tried again"


def test_a_failure_that_passes_goes_unnoticed(starter, claude):
    failing = starter.provider
    failing.failure = (500, "api_error")
    running = claude.start(
        "-p", "go", "--output-format", "json", ANTHROPIC_BASE_URL=starter.url, ANTHROPIC_AUTH_TOKEN=starter.key
    )
    try:
        before, end = len(failing.messages()), time.monotonic() + 30
        while len(failing.messages()) < before + 2 and time.monotonic() < end:
            time.sleep(0.05)
        failing.failure = None
        running.wait_for(re.escape(GREETING), stream="out", timeout=60)
    finally:
        running.stop()


EVENTS = {"content-type": "text/event-stream"}
PLAIN = {"content-type": "application/json"}
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"scripted"}}\n\n'
BEGUN = b"""event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"half an answer"}}

"""
UNREADABLE = "model provider failed"
BROKEN = "model reply broke off"


@pytest.mark.parametrize(
    ("answer", "says", "line", "reason"),
    [
        ((200, {"content-type": "text/html"}, b"<html>sign in here</html>"), "cannot be read", UNREADABLE, "provider_unreadable"),
        ((200, PLAIN, b'{"hello":"there"}'), "empty or malformed response", "model reply says nothing of tokens", "usage_missing"),
        ((200, PLAIN, b""), "empty or malformed response", "model reply says nothing of tokens", "usage_missing"),
        # Asked once more for a whole reply, this provider gives the same events.
        ((200, EVENTS, b""), "empty or malformed response", BROKEN, "stream_truncated"),
        ((200, EVENTS, ERROR), "empty or malformed response", BROKEN, "provider_error_event"),
        ((200, EVENTS, BEGUN + ERROR), "empty or malformed response", BROKEN, "provider_error_event"),
    ],
    ids=["page", "json", "empty", "no events", "error event", "error event after text"],
)
def test_answers_that_are_none_end_in_words(starter, claude, answer, says, line, reason):
    starter.provider.answer = answer
    began, before = time.monotonic(), len(starter.lines(line))
    shown = starter.ask(claude, expect=1)
    assert time.monotonic() - began < 30
    assert says in shown["result"]
    assert reason in [told["reason"] for told in starter.lines_after(before, line)]


def test_a_reply_that_breaks_off_is_asked_for_again(starter, claude):
    """Once more as a stream, and then as a whole, which works here."""
    starter.provider.breaks = 100
    before = len(starter.lines(BROKEN))
    assert GREETING in starter.ask(claude)["result"]
    assert "stream_broken" in [told["reason"] for told in starter.lines_after(before, BROKEN)]


@pytest.mark.parametrize(
    ("hangs", "reason", "line"),
    [
        ("before", "provider_timeout", "model provider failed"),
        ("within", "stream_idle", "model reply broke off"),
        ("never ends", "stream_too_long", "model reply broke off"),
    ],
)
def test_a_provider_that_takes_too_long_does_not_hang_the_client(hurried, claude, hangs, reason, line):
    hurried.provider.reset()
    hurried.provider.hangs = hangs
    began, before = time.monotonic(), len(hurried.lines(line))
    answer = hurried.ask(claude, expect=1)
    took = time.monotonic() - began
    hurried.provider.hangs = ""
    # After a stream that broke off it asks for the whole reply, which is the answer that is shown.
    assert answer["api_error_status"] == 504 and "the model provider did not answer in time" in answer["result"]
    assert reason in [told["reason"] for told in hurried.lines_after(before, line)]
    assert took < 30


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (429, "rate_limit_error", "Request rejected (429) · scripted rate_limit_error"),
        (529, "overloaded_error", "Repeated 529 Overloaded errors"),
    ],
)
def test_a_provider_that_asks_for_patience_is_shown_in_the_end(hurried, claude, status, kind, says):
    hurried.provider.reset()
    hurried.provider.failure = (status, kind)
    began, before = time.monotonic(), len(hurried.provider.messages())
    answer = hurried.ask(claude, expect=1)
    took = time.monotonic() - began
    assert answer["api_error_status"] == status and says in answer["result"]
    assert len(hurried.provider.messages()) - before > 1, "it is tried again"
    assert took < 30


def test_a_provider_that_is_not_there_is_named(binary, claude, tmp_path):
    gone = Starter(binary, tmp_path / "gone")
    try:
        gone.provider.__exit__()
        began = time.monotonic()
        answer = gone.ask(claude, expect=1)
        assert time.monotonic() - began < 45
        assert answer["api_error_status"] == 502 and "the model provider cannot be reached" in answer["result"]
        assert {line["reason"] for line in gone.lines("model provider failed")} == {"provider_unreachable"}
    finally:
        gone.gateway.stop()
