"""Claude Desktop on third-party inference, after its documentation: the app itself has no headless mode."""

import base64
import hashlib
import secrets

import httpx

from .browser import Browser, parameters
from .gateway import free_port
from .house import PASSWORDS, House


class Desktop:
    """The requests that the app makes for its `inferenceGatewayOidc`. It sends `bearer` with every one to the gateway."""

    def __init__(
        self,
        house: House,
        client_id: str = "claude-desktop",
        *,
        issuer: str | None = None,
        scopes: str = "openid profile email offline_access",
        bearer: str = "id_token",
        headers: dict[str, str] | None = None,
    ):
        self._house, self.client_id, self._scopes, self._bearer = house, client_id, scopes, bearer
        self.issuer = issuer or house.url
        self._redirect = f"http://127.0.0.1:{free_port()}/callback"
        self._headers = headers or {}
        self.tokens: dict = {}

    def discover(self) -> httpx.Response:
        """The issuer's metadata, at the issuer followed by the well-known path."""
        return httpx.get(f"{self.issuer}/.well-known/openid-configuration", trust_env=False, follow_redirects=False)

    def sign_in(self, username: str = "ada") -> httpx.Response:
        """The browser's part, and what the token endpoint says to the app: code, PKCE, no secret."""
        metadata = self.discover().json()
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(12)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        request = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self._redirect,
            "scope": self._scopes,
            "state": state,
            "nonce": secrets.token_urlsafe(12),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        with Browser() as browser:
            url = str(httpx.URL(metadata["authorization_endpoint"], params=request))
            back = parameters(browser.authorize(url, username, PASSWORDS[username]))
        assert back["state"] == state, back
        form = {
            "grant_type": "authorization_code",
            "code": back["code"],
            "client_id": self.client_id,
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        return self._take(httpx.post(metadata["token_endpoint"], data=form, trust_env=False, timeout=30))

    def renew(self) -> httpx.Response:
        """What it does in the background."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.tokens["refresh_token"],
            "client_id": self.client_id,
        }
        endpoint = self.discover().json()["token_endpoint"]
        return self._take(httpx.post(endpoint, data=form, trust_env=False, timeout=30))

    def models(self) -> httpx.Response:
        """What fills the model picker."""
        return self._to("GET", "/v1/models")

    def ask(self, model: str = "claude-opus-5-5") -> httpx.Response:
        """One message."""
        body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "go"}]}
        return self._to("POST", "/v1/messages", json=body)

    def to(self, method: str, path: str) -> httpx.Response:
        """Any other request to the gateway."""
        return self._to(method, path)

    def _to(self, method: str, path: str, **more) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.tokens.get(self._bearer, 'none')}", **self._headers}
        headers["anthropic-version"] = "2023-06-01"
        url = self._house.gateway.url + path
        return httpx.request(method, url, headers=headers, trust_env=False, timeout=30, **more)

    def _take(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200:
            self.tokens |= answer.json()
            kept = ("access_token", "refresh_token", "id_token")
            self._house.remember(*(self.tokens[name] for name in kept if name in self.tokens))
        return answer
