"""OpenID Connect in both directions: the certified library oauth4webapi as a relying party of ours, and oidc-provider
as the company's identity provider behind us."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from harness.browser import Browser, parameters
from harness.home import Home
from harness.house import PASSWORDS, House, claims_of
from harness.node import Node
from harness.relying_party import Failed, RelyingParty

WEB = "http://127.0.0.1:8765/callback"
NATIVE = "http://127.0.0.1:50123/callback"
CLIENTS = {
    "basic": {"client_id": "relying-party", "method": "basic", "redirect_uri": WEB},
    "post": {"client_id": "relying-party", "method": "post", "redirect_uri": WEB},
    "public": {"client_id": "native", "method": "none", "redirect_uri": NATIVE},
}
EVERYTHING = "openid profile email offline_access"


@pytest.fixture
def party(node: Node):
    with RelyingParty(node) as party:
        yield party


def at_home(party: RelyingParty, house: House, kind: str = "basic", algorithm: str = "oidc") -> str:
    """Makes `party` a client of `house`; returns its redirect URI."""
    party.discover(issuer=house.url, algorithm=algorithm)
    return be(party, house, kind)


def be(party: RelyingParty, house: House, kind: str) -> str:
    client = CLIENTS[kind]
    party.be(client_id=client["client_id"], method=client["method"], secret=house.client_secret)
    return client["redirect_uri"]


def refused(command, **parameters) -> Failed:
    with pytest.raises(Failed) as failure:
        command(**parameters)
    return failure.value


# Our authorization server, seen by a relying party.


def test_metadata_is_the_same_in_both_dialects(house, party):
    openid = party.discover(issuer=house.url, algorithm="oidc")
    oauth = party.discover(issuer=house.url, algorithm="oauth2")
    shared = set(openid) & set(oauth)
    assert {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "revocation_endpoint"} <= shared
    assert {name: openid[name] for name in shared} == {name: oauth[name] for name in shared}
    assert openid["issuer"] == house.url and openid["code_challenge_methods_supported"] == ["S256"]
    assert openid["authorization_response_iss_parameter_supported"] is True
    assert {"none", "client_secret_basic", "client_secret_post"} <= set(openid["token_endpoint_auth_methods_supported"])
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    grants = {"authorization_code", "refresh_token", "client_credentials", exchange}
    assert grants <= set(openid["grant_types_supported"])


def test_protected_resources_name_their_authorization_server(house, party):
    for resource in (house.mcp, f"{house.mcp}/ledger"):
        document = party.discover_resource(resource=resource)
        assert document["resource"] == resource and document["authorization_servers"] == [house.url]


@pytest.mark.parametrize("algorithm", ["oidc", "oauth2"])
@pytest.mark.parametrize("kind", list(CLIENTS))
def test_code_flow_refresh_and_revocation(house, party, kind, algorithm):
    redirect = at_home(party, house, kind, algorithm)
    answer = party.tokens("ada", redirect_uri=redirect, scope=EVERYTHING, resource=house.mcp)
    first, claims = answer["tokens"], answer["claims"]
    remember(house, first)
    assert first["token_type"] == "bearer" and 0 < first["expires_in"] <= 900
    assert set(first["scope"].split()) == set(EVERYTHING.split())
    assert claims["iss"] == house.url and claims["aud"] in (CLIENTS[kind]["client_id"], [CLIENTS[kind]["client_id"]])
    assert claims["email"] == "ada@example.com" and claims["name"] == "Ada Lovelace" and claims["auth_time"] > 0

    accepted = party.accept(token=first["access_token"], audience=house.mcp)
    assert accepted["sub"] == claims["sub"] and accepted["client_id"] == CLIENTS[kind]["client_id"]
    # Only the OpenID document tells where userinfo is.
    party.discover(issuer=house.url, algorithm="oidc")
    userinfo = party.userinfo(token=first["access_token"], subject=claims["sub"])
    assert userinfo["email"] == "ada@example.com" and userinfo["name"] == "Ada Lovelace"

    second = party.refresh(token=first["refresh_token"])["tokens"]
    remember(house, second)
    assert second["refresh_token"] != first["refresh_token"] and second["access_token"] != first["access_token"]
    assert party.accept(token=second["access_token"], audience=house.mcp)["sub"] == claims["sub"]
    narrowed = party.refresh(token=second["refresh_token"], scope="openid")["tokens"]
    remember(house, narrowed)
    assert narrowed["scope"] == "openid"

    party.revoke(token=narrowed["refresh_token"])
    assert refused(party.refresh, token=narrowed["refresh_token"]).kind == ("ResponseBodyError", "invalid_grant")
    gone = refused(party.userinfo, token=second["access_token"], subject=claims["sub"])
    assert gone.told["name"] == "WWWAuthenticateChallengeError"
    assert gone.told["challenges"][0]["parameters"]["error"] == "invalid_token"


def test_id_token_of_another_request_is_refused_by_the_library(house, party):
    """The nonce that we echo is the request's own: the library notices any other."""
    redirect = at_home(party, house, "public")
    with Browser() as browser:
        callback = party.sign_in(browser, redirect_uri=redirect, scope="openid", nonce="another")
    assert refused(party.redeem, callback=callback).kind == ("OperationProcessingError", "OAUTH_JWT_CLAIM_COMPARISON_FAILED")


def test_fresh_sign_in_is_proven_by_auth_time(house, party):
    redirect = at_home(party, house, "basic")
    with Browser() as browser:
        callback = party.sign_in(browser, redirect_uri=redirect, scope="openid", max_age="60")
        claims = party.redeem(callback=callback, max_age=60)["claims"]
        assert abs(time.time() - claims["auth_time"]) < 60
        callback = party.sign_in(browser, redirect_uri=redirect, scope="openid", prompt="login")
        again = party.redeem(callback=callback)["claims"]
    assert again["auth_time"] >= claims["auth_time"] and again["sub"] == claims["sub"]


def test_authorization_errors_come_back_with_state_and_issuer(house, party):
    redirect = at_home(party, house, "public")
    with Browser() as browser:
        callback = party.sign_in(browser, decision="deny", redirect_uri=redirect, scope="openid")
        assert refused(party.redeem, callback=callback).kind == ("AuthorizationResponseError", "access_denied")
    wrong = {
        "invalid_scope": {"scope": "openid no-such-scope"},
        "invalid_target": {"scope": "openid", "resource": "https://elsewhere.example.com/"},
        "login_required": {"scope": "openid", "prompt": "none"},
        "unsupported_response_type": {"scope": "openid", "response_type": "token"},
        "request_not_supported": {"scope": "openid", "request": "e30.e30."},
        "invalid_request": {"scope": "openid", "code_challenge_method": "plain"},
    }
    for code, more in wrong.items():
        with Browser() as browser:
            callback = party.sign_in(browser, redirect_uri=redirect, **more)
        assert parameters(callback)["iss"] == house.url, code
        assert refused(party.redeem, callback=callback).kind == ("AuthorizationResponseError", code)


def test_token_errors_are_read_by_the_library(house, party):
    redirect = at_home(party, house, "basic")
    with Browser() as browser:
        callback = party.sign_in(browser, redirect_uri=redirect, scope="openid")
    other_verifier = "x" * 64
    kind = refused(party.redeem, callback=callback, verifier=other_verifier).kind
    assert kind == ("ResponseBodyError", "invalid_grant")
    with Browser() as browser:
        callback = party.sign_in(browser, redirect_uri=redirect, scope="openid")
    remember(house, party.redeem(callback=callback)["tokens"])
    assert refused(party.redeem, callback=callback).kind == ("ResponseBodyError", "invalid_grant")
    assert refused(party.refresh, token="rt_nothing.1.nothing").kind == ("ResponseBodyError", "invalid_grant")
    assert refused(party.client_credentials, scope="no-such-scope").kind == ("ResponseBodyError", "invalid_scope")
    elsewhere = refused(party.client_credentials, resource="https://elsewhere.example.com/")
    assert elsewhere.kind == ("ResponseBodyError", "invalid_target")
    assert refused(party.exchange, subject_token="x").kind[0] == "ResponseBodyError"

    party.be(client_id="relying-party", method="basic", secret="wrong")
    failure = refused(party.client_credentials, scope="openid")
    assert failure.told["name"] == "WWWAuthenticateChallengeError" and failure.told["status"] == 401
    assert failure.told["challenges"][0]["scheme"] == "basic"
    party.be(client_id="relying-party", method="post", secret="wrong")
    assert refused(party.client_credentials).told["status"] == 401
    party.be(client_id="nobody", method="none", secret="")
    assert refused(party.refresh, token="rt_nothing.1.nothing").told["status"] == 401


@pytest.mark.parametrize("method", ["basic", "post"])
def test_client_credentials(house, party, method):
    at_home(party, house, method)
    tokens = party.client_credentials(resource=house.mcp)
    remember(house, tokens)
    claims = party.accept(token=tokens["access_token"], audience=house.mcp)
    assert claims["sub"] == claims["client_id"] == "relying-party" and claims["tier"] == "gold"
    assert "refresh_token" not in tokens and "id_token" not in tokens


@pytest.mark.parametrize("method", ["basic", "post"])
def test_introspection(house, party, method):
    redirect = at_home(party, house, method)
    tokens = party.tokens("bob", redirect_uri=redirect, scope="openid", resource=house.mcp)["tokens"]
    remember(house, tokens)
    answer = party.introspect(token=tokens["access_token"])
    assert answer["active"] is True and answer["client_id"] == "relying-party" and house.mcp in answer["aud"]
    assert party.introspect(token="nonsense") == {"active": False}
    foreign = house.token("bob", scope="openid")
    party.revoke(token=foreign)
    assert claims_of(foreign)["client_id"] == "native"
    party.revoke(token=tokens["access_token"])
    assert party.introspect(token=tokens["access_token"]) == {"active": False}
    party.be(client_id="native", method="none", secret="")
    assert refused(party.introspect, token=tokens["access_token"]).told.get("status") == 401


def test_a_client_cannot_revoke_tokens_of_another(house, party):
    at_home(party, house, "basic")
    foreign = house.tokens("ada", scope="openid offline_access")
    party.revoke(token=foreign["access_token"])
    party.revoke(token=foreign["refresh_token"])
    be(party, house, "public")
    userinfo = party.userinfo(token=foreign["access_token"], subject=claims_of(foreign["access_token"])["sub"])
    assert userinfo["sub"] == claims_of(foreign["access_token"])["sub"]
    remember(house, party.refresh(token=foreign["refresh_token"])["tokens"])


def test_token_exchange_delegates(house, party):
    subject = house.token("ada", scope="openid")
    party.discover(issuer=house.url, algorithm="oauth2")
    party.be(client_id="ai-identity-gateway", method="basic", secret=house.gateway_secret)
    access_token = "urn:ietf:params:oauth:token-type:access_token"
    asked = {"subject_token": subject, "subject_token_type": access_token}
    answer = party.exchange(**asked, audience=house.ledger.url, scope="ledger:ReadPII")
    claims = party.accept(token=answer["access_token"], audience=house.ledger.url)
    assert answer["issued_token_type"] == access_token and answer["scope"] == "ledger:ReadPII"
    assert claims["sub"] == claims_of(subject)["sub"] and claims["client_id"] == "ai-identity-gateway"
    assert claims["act"] == {"sub": "ai-identity-gateway", "act": {"sub": "native"}}
    assert claims["exp"] <= claims_of(subject)["exp"]

    wrong = {
        "invalid_target": {"audience": "https://elsewhere.example.com"},
        "invalid_scope": {"audience": house.ledger.url, "scope": "no-such-scope"},
        "invalid_request": {"audience": house.ledger.url, "subject_token": house.key},
    }
    for code, more in wrong.items():
        assert refused(party.exchange, **{**asked, **more}).kind == ("ResponseBodyError", code)
    be(party, house, "public")
    assert refused(party.exchange, **asked, audience=house.ledger.url).kind == ("ResponseBodyError", "unauthorized_client")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_every_signing_algorithm(binary, tmp_path, party, algorithm):
    pem = new_key(algorithm)
    with House(binary, tmp_path / "house", "signing.yaml", ALGORITHM=algorithm, PRIVATE_KEY=json.dumps(pem)) as house:
        redirect = at_home(party, house, "basic")
        answer = party.tokens("ada", redirect_uri=redirect, scope=EVERYTHING)
        header = party.header(token=answer["tokens"]["id_token"])
        assert header["alg"] in (algorithm, "Ed25519") and header["kid"]
        claims = party.accept(token=answer["tokens"]["access_token"], audience="https://api.example.com")
        assert claims["sub"] == answer["claims"]["sub"]
        refreshed = party.refresh(token=answer["tokens"]["refresh_token"])
        assert refreshed["tokens"]["access_token"] != answer["tokens"]["access_token"]


def remember(house: House, tokens: dict) -> None:
    house.remember(*(tokens[name] for name in ("access_token", "refresh_token", "id_token") if name in tokens))


def new_key(algorithm: str) -> str:
    """A private key for `algorithm`, as PKCS#8 PEM."""
    match algorithm:
        case "ES256":
            key = ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            key = ed25519.Ed25519PrivateKey.generate()
        case _:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, plain).decode()
