"""The Python MCP SDK as a client, with or without its own OAuth."""

from contextlib import asynccontextmanager

import anyio
import httpx2
from mcp import Client
from mcp.client.auth.oauth2 import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

from .browser import Browser, parameters
from .house import PASSWORDS

REDIRECT = "http://127.0.0.1:50124/callback"


class Memory:
    """Where the SDK keeps tokens and registrations."""

    def __init__(self, client: OAuthClientInformationFull | None = None):
        self.client, self.tokens, self.history = client, None, []

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens) -> None:
        self.tokens = tokens
        self.history.append(tokens)

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client) -> None:
        self.client = client


def oauth(url: str, username: str, memory: Memory, **options) -> OAuthClientProvider:
    """The SDK's OAuth client, with `username` before the browser."""
    answers = []

    async def visit(target: str) -> None:
        def travel() -> str:
            with Browser() as browser:
                return browser.authorize(target, username, PASSWORDS[username])

        answers.append(parameters(await anyio.to_thread.run_sync(travel)))

    async def callback() -> AuthorizationCodeResult:
        answer = answers.pop()
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    metadata = OAuthClientMetadata(
        client_name="Python SDK",
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(url, metadata, memory, redirect_handler=visit, callback_handler=callback, **options)


def registered(client_id: str, issuer: str, secret: str | None = None) -> OAuthClientInformationFull:
    """A client that an administrator has registered."""
    return OAuthClientInformationFull(
        client_id=client_id,
        client_secret=secret,
        redirect_uris=[REDIRECT],
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
        issuer=issuer,
    )


@asynccontextmanager
async def connected(url: str, mode: str, *, token: str | None = None, auth=None):
    """A client that is connected, and the requests that it made."""
    requests: list[httpx2.Request] = []

    async def note(request: httpx2.Request) -> None:
        requests.append(request)

    headers = {"authorization": f"Bearer {token}"} if token else {}
    hooks = {"request": [note]}
    async with httpx2.AsyncClient(headers=headers, auth=auth, timeout=30, trust_env=False, event_hooks=hooks) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=30) as client:
            client.requests = requests
            yield client
