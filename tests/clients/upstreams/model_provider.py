"""A model provider that speaks the Messages API and follows a script."""

import asyncio
import json

from .upstream import Upstream, answer, lifespan, read

KEY = "sk-provider-key-that-only-the-gateway-knows"
GREETING = "Hello from the scripted model."


class ModelProvider(Upstream):
    """Greets, unless `tool_call` holds (name, input): then it asks for that tool once and repeats what came back.
    It thinks for `pause` seconds before it asks for a tool; `failure` (status, type) is its only answer while set;
    the next `breaks` streams end in the middle; `answer` (status, headers, body) is its only answer, byte for byte,
    while set; `refusals` says of which models it refuses what is asked, by category; of the next streams it sends nothing at
    all (`hangs` is "before"), only the beginning ("within"), or a word every half second without end ("never ends"). It
    lists the models `listed`."""

    def __init__(self):
        super().__init__(self._serve)
        self.tool_call: tuple[str, dict] | None = None
        self.failure: tuple[int, str] | None = None
        self.pause = 0.0
        self.breaks = 0
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.refusals: dict[str, str] = {}
        self.hangs = ""
        self.listed = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]

    def reset(self) -> None:
        """Forgets its script, not what it has seen."""
        self.tool_call, self.failure, self.pause, self.breaks = None, None, 0.0, 0
        self.answer, self.refusals, self.hangs = None, {}, ""

    def models(self) -> list[str]:
        """The models that it was asked for, in order."""
        return [seen.json()["model"] for seen in self.messages()]

    def messages(self) -> list:
        """The requests for messages so far."""
        return [seen for seen in self.seen if seen.target.split("?")[0] == "/v1/messages"]

    async def _serve(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        body = await read(receive)
        if scope["seen"].header("x-api-key") != KEY:
            return await answer(send, 401, _error("authentication_error", "invalid x-api-key"))
        if self.failure:
            status, kind = self.failure
            return await answer(send, status, _error(kind, f"scripted {kind}"))
        if self.answer:
            status, headers, content = self.answer
            head = [(name.encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": status, "headers": head})
            return await send({"type": "http.response.body", "body": content})
        if scope["path"] == "/v1/models":
            entries = [{"type": "model", "id": name, "display_name": name.title()} for name in self.listed]
            return await answer(send, 200, {"data": entries, "has_more": False, "first_id": None, "last_id": None})
        request = json.loads(body)
        refused = self.refusals.get(request["model"])
        if self.pause and self._asks_for_tool(request):
            await asyncio.sleep(self.pause)
        if self.hangs and scope["path"] == "/v1/messages":
            how = self.hangs if request.get("stream") else "before"  # a whole reply has no middle
            return await _hang(send, receive, request["model"], how)
        match scope["path"]:
            case "/v1/messages/count_tokens":
                return await answer(send, 200, {"input_tokens": max(1, len(body) // 4)})
            case "/v1/messages" if refused and request.get("stream"):
                return await _stream(send, request["model"], [], refused=refused)
            case "/v1/messages" if request.get("stream") and self.breaks:
                self.breaks -= 1
                return await _stream(send, request["model"], self._content(request), breaks=True)
            case "/v1/messages" if request.get("stream"):
                return await _stream(send, request["model"], self._content(request))
            case "/v1/messages":
                return await answer(send, 200, _message(request["model"], self._content(request)))
            case path:
                return await answer(send, 404, _error("not_found_error", f"no {path}"))

    def _content(self, request: dict) -> list[dict]:
        results = tool_results(request)
        if self._asks_for_tool(request):
            name, arguments = self.tool_call
            return [{"type": "tool_use", "id": "toolu_scripted01", "name": name, "input": arguments}]
        text = f"The tool said: {results[-1]}" if results else GREETING
        return [{"type": "text", "text": text}]

    def _asks_for_tool(self, request: dict) -> bool:
        return bool(self.tool_call and not tool_results(request) and request.get("tools"))


def tool_results(request: dict) -> list[str]:
    """The texts of the tool results in a request for messages, in order."""
    blocks = [
        block
        for message in request.get("messages", [])
        if isinstance(message["content"], list)
        for block in message["content"]
        if block.get("type") == "tool_result"
    ]
    return [_text(block.get("content", "")) for block in blocks]


def _text(content) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _error(kind: str, message: str) -> dict:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}


def _message(model: str, content: list[dict]) -> dict:
    reason = "tool_use" if content and content[0]["type"] == "tool_use" else "end_turn"
    usage = {"input_tokens": 25, "output_tokens": 9, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 2}
    return {
        "id": "msg_scripted01",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


async def _stream(send, model: str, content: list[dict], breaks: bool = False, refused: str = "") -> None:
    whole = _message(model, content)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    events = [("message_start", {"message": start}), ("ping", {})]
    for index, block in enumerate(content):
        if block["type"] == "tool_use":
            empty = {**block, "input": {}}
            text = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in (text[:3], text[3:])]
        else:
            empty = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": word} for word in _pieces(block["text"])]
        events.append(("content_block_start", {"index": index, "content_block": empty}))
        events.extend(("content_block_delta", {"index": index, "delta": delta}) for delta in deltas)
        events.append(("content_block_stop", {"index": index}))
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    if refused:
        details = {"type": "refusal", "category": refused, "explanation": "scripted"}
        delta = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
    events.append(("message_delta", {"delta": delta, "usage": {"output_tokens": 9}}))
    events.append(("message_stop", {}))
    head = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"request-id", b"req_scripted")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for name, data in events[: len(events) // 2] if breaks else events:
        chunk = f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    if breaks:
        raise ConnectionAbortedError("a scripted break")  # the server drops the connection
    await send({"type": "http.response.body", "body": b""})


async def _hang(send, receive, model: str, how: str) -> None:
    async def event(name: str, data: dict) -> None:
        chunk = f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()
        await send({"type": "http.response.body", "body": chunk, "more_body": True})

    gone = asyncio.create_task(_disconnect(receive))
    if how != "before":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await event("message_start", {"message": {**_message(model, []), "stop_reason": None}})
        await event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
    while how == "never ends" and not gone.done():
        await event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "and "}})
        await asyncio.wait([gone], timeout=0.5)
    await gone
    raise ConnectionAbortedError("whoever asked is gone")


async def _disconnect(receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]
