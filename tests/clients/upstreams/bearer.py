"""The check that every protected upstream makes: an access token of the one issuer, for this upstream."""

import asyncio
import ssl

import jwt

from .upstream import answer


class BearerCheck:
    """ASGI middleware. `audience` is what tokens must be for; nothing passes before `trust` was called."""

    def __init__(self, application, audience: str = ""):
        self._application, self.audience = application, audience
        self._issuer, self._keys = None, None

    def trust(self, issuer: str, verify: ssl.SSLContext | bool = True) -> None:
        """Tokens of `issuer` are accepted from now on."""
        self._issuer = issuer
        context = verify if isinstance(verify, ssl.SSLContext) else None
        self._keys = jwt.PyJWKClient(f"{issuer}/oauth2/jwks", cache_keys=True, ssl_context=context)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._application(scope, receive, send)
        words = [value for name, value in scope["headers"] if name == b"authorization"]
        try:
            if len(words) != 1 or not words[0].startswith(b"Bearer "):
                raise jwt.InvalidTokenError("no bearer token")
            claims = await asyncio.to_thread(self._verify, words[0][7:].decode("ascii"))
        except (jwt.PyJWTError, UnicodeDecodeError) as refused:
            challenge = (b"www-authenticate", b'Bearer error="invalid_token"')
            return await answer(send, 401, {"error": "invalid_token", "why": str(refused)}, (challenge,))
        scope["seen"].claims = claims
        return await self._application(scope, receive, send)

    def _verify(self, token: str) -> dict:
        if self._keys is None:
            raise jwt.InvalidTokenError("no issuer is trusted yet")
        header = jwt.get_unverified_header(token)
        if header.get("typ", "").lower() not in ("at+jwt", "application/at+jwt"):
            raise jwt.InvalidTokenError(f"typ {header.get('typ')!r} is no access token")
        key = self._keys.get_signing_key_from_jwt(token).key
        required = {"require": ["exp", "iat", "sub", "aud", "iss", "jti", "client_id"]}
        algorithms = ["ES256", "RS256"]
        return jwt.decode(
            token, key, algorithms=algorithms, audience=self.audience, issuer=self._issuer, options=required
        )
