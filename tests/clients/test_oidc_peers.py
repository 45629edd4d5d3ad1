"""OpenID Connect in both directions: the certified library oauth4webapi as a relying party of ours, and oidc-provider
as the company's identity provider behind us."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from urllib.parse import urljoin

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from harness.browser import Browser, parameters
from harness.home import Home
from harness.house import PASSWORDS, House, claims_of
from harness.identity_provider import IdentityProvider, secret
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
    assert refused(party.redeem, callback=callback).kind == (
        "OperationProcessingError",
        "OAUTH_JWT_CLAIM_COMPARISON_FAILED",
    )


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
    assert refused(party.exchange, **asked, audience=house.ledger.url).kind == (
        "ResponseBodyError",
        "unauthorized_client",
    )


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


# The company's identity provider, behind us.

MODELS, OTHER = "https://models.example.com", "https://other.example.com"
RESOURCES = {MODELS: "models", OTHER: "other"}
DESKTOP = {
    "client_id": "desktop",
    "application_type": "native",
    "token_endpoint_auth_method": "none",
    "redirect_uris": ["http://127.0.0.1/callback"],
}


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Node for the identity providers of this module."""
    return Node(Home(tmp_path_factory.mktemp("office") / "home"))


@pytest.fixture(scope="module")
def company(office):
    """The company's own provider, where we are a client with a secret."""
    gatehouse = {
        "client_id": "gatehouse",
        "client_secret": secret(),
        "application_type": "native",
        "redirect_uris": [
            "http://127.0.0.1/oidc-callback/company",
            "http://127.0.0.1/federation/misconfigured/callback",
        ],
    }
    with IdentityProvider(office, [gatehouse, DESKTOP], resources=RESOURCES) as company:
        company.secret = gatehouse["client_secret"]
        yield company


@pytest.fixture(scope="module")
def partner(office):
    """Another provider, whose access tokens are for the LLM gateway."""
    with IdentityProvider(office, [DESKTOP], resources=RESOURCES) as partner:
        yield partner


@pytest.fixture(scope="module")
def branch(binary, tmp_path_factory, company, partner):
    """A gateway whose people sign in at the company's provider."""
    folder, values = tmp_path_factory.mktemp("branch"), federated(company, partner)
    with House(binary, folder, "federated.yaml", **values) as branch:
        yield branch
        branch.check_canaries()
        assert company.secret not in branch.gateway.log_text() + json.dumps(branch.audit())


def federated(company: IdentityProvider, partner: IdentityProvider) -> dict[str, str]:
    return {"COMPANY": company.url, "COMPANY_SECRET": json.dumps(company.secret), "PARTNER": partner.url}


def client_of(party: RelyingParty, house: House, client_id: str) -> dict:
    """Makes `party` the public client `client_id`; returns what its authorization requests say."""
    party.discover(issuer=house.url, algorithm="oidc")
    party.be(client_id=client_id, method="none", secret="")
    return {"redirect_uri": NATIVE, "scope": "openid profile email"}


def test_people_sign_in_at_the_company(branch, company, party):
    asked = client_of(party, branch, "portal") | {"scope": EVERYTHING, "resource": branch.mcp, "login_hint": "x@y"}
    answer = party.tokens("ada", **asked)
    tokens, claims = answer["tokens"], answer["claims"]
    remember(branch, tokens)
    assert claims["sub"] == f"{company.url}|ada" and claims["iss"] == branch.url
    mapped = {
        "email": "ada@company.example",
        "name": "Ada Lovelace",
        "groups": ["eng", "admins"],
        "department": "engines",
    }
    assert {name: claims.get(name) for name in mapped} == mapped
    userinfo = party.userinfo(token=tokens["access_token"], subject=claims["sub"])
    assert {name: userinfo.get(name) for name in mapped} == mapped
    access = party.accept(token=tokens["access_token"], audience=branch.mcp)
    assert access["email"] == "ada@company.example" and access["groups"] == ["eng", "admins"]
    assert "department" not in access and access["sub"] == claims["sub"]

    seen = company.events("authorization")[-1]["params"]
    assert seen["code_challenge_method"] == "S256" and seen["state"] and seen["nonce"] and seen["ui_locales"] == "en"
    assert seen["scope"].split() and set(seen["scope"].split()) == {"openid", "profile", "email", "groups"}
    assert not {"resource", "login_hint", "prompt"} & {name for name, value in seen.items() if value is not None}
    [record, *_] = branch.audited("signin.success", actor__sub=claims["sub"])
    assert record["actor"]["connector"] == "company" and record["outcome"] == "allow"
    refreshed = party.refresh(token=tokens["refresh_token"])
    remember(branch, refreshed["tokens"])
    assert party.accept(token=refreshed["tokens"]["access_token"], audience=branch.mcp)["groups"] == ["eng", "admins"]


def test_people_keep_their_subject(branch, company, party):
    asked = client_of(party, branch, "portal")
    first, second = (party.tokens("bob", **asked)["claims"] for _ in range(2))
    assert first["sub"] == second["sub"] == f"{company.url}|bob" and first["nonce"] != second["nonce"]
    local = party.tokens("ada", **client_of(party, branch, "local"))["claims"]
    assert local["sub"] != f"{company.url}|ada"
    assert party.tokens("bob", **client_of(party, branch, "by-email"))["claims"]["sub"] == "bob@company.example"


def test_a_wish_for_a_fresh_sign_in_goes_upstream(branch, company, party):
    asked = client_of(party, branch, "portal")
    with Browser() as browser:
        party.redeem(callback=party.sign_in(browser, **asked))
        before = len(company.events("authorization"))
        party.redeem(callback=party.sign_in(browser, **asked))
        assert len(company.events("authorization")) == before, "our own session was not used"
        claims = party.redeem(callback=party.sign_in(browser, **asked, prompt="login"))["claims"]
    assert company.events("authorization")[-1]["params"]["prompt"] == "login"
    assert time.time() - claims["auth_time"] < 120


def test_people_choose_among_several_ways_in(branch, company, party):
    asked = client_of(party, branch, "choice")
    with Browser() as browser:
        page = browser.follow(party.authorize(**asked)["url"])
        links = re.findall(r'href="([^"]*connector=[^"]*)"', page.text)
        assert page.status_code == 200 and len(links) == 2, page.text
        link = urljoin(branch.url, next(unescape(link) for link in links if link.endswith("connector=company")))
        callback = browser.authorize(link, "ada", PASSWORDS["ada"], stop_at=NATIVE)
    assert party.redeem(callback=callback)["claims"]["sub"] == f"{company.url}|ada"


def test_a_wrong_secret_at_the_company_is_told_honestly(branch, company, party):
    asked = client_of(party, branch, "broken")
    with Browser() as browser:
        url = party.authorize(**asked)["url"]
        answer = browser.authorize(
            url, "ada", PASSWORDS["ada"], stop_at=f"{branch.url}/federation/misconfigured/callback"
        )
        page = browser.follow(answer)
    expect_page(branch, page, 403, "upstream_answer_refused", "misconfigured")
    assert "invalid_client" in json.dumps(company.events("grant.error"))


def test_a_refusal_of_the_company_is_passed_on(branch, party):
    asked = client_of(party, branch, "portal")
    with Browser() as browser:
        callback = at_the_callback(browser, party, branch, asked)
        upstream = parameters(callback)
        denied = httpx.URL(f"{branch.url}/oidc-callback/company").copy_merge_params(
            {"error": "access_denied", "state": upstream["state"], "iss": upstream["iss"]}
        )
        answer = browser.authorize(str(denied), "", "", stop_at=NATIVE)
    assert refused(party.redeem, callback=answer).kind == ("AuthorizationResponseError", "access_denied")
    [record, *_] = branch.audited("signin.failure", reason="upstream_idp_refused")
    assert record["outcome"] == "deny" and record["actor"]["connector"] == "company"


@pytest.mark.parametrize(
    "what", ["state", "issuer", "other browser", "swapped code", "twice", "other connector's path"]
)
def test_answers_that_do_not_belong_to_the_sign_in(branch, company, party, what):
    asked = client_of(party, branch, "portal")
    with Browser() as browser, Browser() as attacker:
        callback = httpx.URL(at_the_callback(browser, party, branch, asked))
        match what:
            case "state":
                changed = callback.params["state"][:-1] + ("A" if callback.params["state"][-1] != "A" else "B")
                page = browser.follow(str(callback.copy_set_param("state", changed)))
                expect_page(branch, page, 400, "upstream_state_wrong", None)
            case "issuer":
                page = browser.follow(str(callback.copy_set_param("iss", "https://elsewhere.example.com")))
                expect_page(branch, page, 400, "upstream_issuer_mismatch", "company")
            case "other browser":
                page = attacker.follow(str(callback))
                assert page.status_code == 400 and "code=" not in page.headers.get("location", "")
            case "swapped code":
                code = httpx.URL(at_the_callback(attacker, party, branch, asked, "bob")).params["code"]
                page = browser.follow(str(callback.copy_set_param("code", code)))
                expect_page(branch, page, 403, "upstream_answer_refused", "company")
            case "twice":
                assert browser.follow(str(callback)).status_code == 200
                before = len(company.events("grant"))
                assert browser.fetch("GET", str(callback)).status_code in (302, 303, 400)
                assert len(company.events("grant")) == before, "the code was redeemed twice"
            case _:
                path = "/federation/misconfigured/callback"
                expect_page(
                    branch, browser.follow(str(callback.copy_with(path=path))), 400, "upstream_state_wrong", "company"
                )


# JWTs of the company's provider at the LLM gateway.


@pytest.fixture(scope="module")
def badges(office, branch, company, partner) -> dict[str, str]:
    """Tokens as a desktop application gets them from the providers."""
    badges = {}
    wanted = json.dumps({"id_token": {"email": None, "groups": None}})
    with RelyingParty(office) as party:
        for name, provider in {"company": company, "partner": partner}.items():
            party.discover(issuer=provider.url, algorithm="oidc")
            party.be(client_id="desktop", method="none", secret="")
            for who in ("ada", "bob"):
                tokens = party.tokens(who, redirect_uri=NATIVE, scope="openid email groups", claims=wanted)["tokens"]
                badges |= {f"{name} id {who}": tokens["id_token"], f"{name} opaque {who}": tokens["access_token"]}
                for resource in RESOURCES:
                    with Browser() as browser:
                        asked = {"redirect_uri": NATIVE, "scope": "openid models other", "resource": resource}
                        callback = party.sign_in(browser, who, **asked)
                    tokens = party.redeem(callback=callback, resource=resource)["tokens"]
                    badges[f"{name} {RESOURCES[resource]} {who}"] = tokens["access_token"]
    branch.remember(*badges.values())
    return badges


def ask(house: House, badge: str, model: str = "claude-opus-5-5", header: str = "authorization") -> httpx.Response:
    value = badge if header == "x-api-key" else f"Bearer {badge}"
    body = {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
    return httpx.post(f"{house.url}/v1/messages", json=body, headers={header: value}, trust_env=False, timeout=30)


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_id_tokens_open_the_llm_gateway(branch, company, badges, header):
    assert ask(branch, badges["company id ada"], header=header).status_code == 200
    assert branch.audited("model.call", actor__sub="ada@company.example", actor__iss=company.url, outcome="allow")
    assert ask(branch, badges["company id ada"], "claude-forbidden", header).status_code == 200
    forbidden = ask(branch, badges["company id bob"], "claude-forbidden", header)
    assert forbidden.status_code == 403 and "Only admins use this model." in forbidden.text


def test_access_tokens_open_the_llm_gateway(branch, partner, badges):
    assert ask(branch, badges["partner models ada"]).status_code == 200
    assert branch.audited("model.call", actor__sub="ada", actor__iss=partner.url, outcome="allow")
    assert ask(branch, badges["partner models ada"], "claude-forbidden").status_code == 200
    assert ask(branch, badges["partner models bob"], "claude-forbidden").status_code == 403


@pytest.mark.parametrize(
    ("badge", "reason"),
    {
        "company models ada": "token_wrong_type",
        "partner id ada": "token_wrong_type",
        "partner other ada": "token_wrong_audience",
        "company opaque ada": "token_not_jwt",
    }.items(),
)
def test_other_tokens_of_the_same_providers_do_not(branch, badges, badge, reason):
    before = len(branch.provider.seen)
    answer = ask(branch, badges[badge])
    assert answer.status_code == 401 and answer.json()["error"]["type"] == "authentication_error"
    assert branch.audited("credential.refused", reason=reason, request__id=answer.headers["request-id"])
    assert len(branch.provider.seen) == before


def test_their_tokens_open_no_other_door(branch, badges):
    for badge in badges.values():
        answer = httpx.post(
            branch.mcp,
            json={"jsonrpc": "2.0", "id": 1, "method": "ping"},
            headers={"authorization": f"Bearer {badge}"},
            trust_env=False,
        )
        assert answer.status_code == 401, answer.text


# The identity provider is away, comes back, and has new keys. Last, because what follows has to wait.


def test_an_outage_of_the_company_stops_nobody_else(branch, binary, tmp_path, company, partner, badges, party):
    asked = client_of(party, branch, "portal") | {"scope": EVERYTHING, "resource": branch.mcp}
    earlier = party.tokens("ada", **asked)["tokens"]
    remember(branch, earlier)
    with Browser() as browser:
        callback = at_the_callback(browser, party, branch, asked)
        company.stop()
        expect_page(branch, browser.follow(callback), 502, "upstream_idp_failed", "company")
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(browser.fetch, "GET", callback) for _ in range(3)]
            assert party.tokens("ada", **client_of(party, branch, "local"))["claims"]["email"] == "ada@example.com"
            assert {answer.result().status_code for answer in waiting} <= {400, 502}
    assert ask(branch, badges["company id ada"]).status_code == 200, "the keys were thrown away"
    assert ask(branch, badges["partner models ada"]).status_code == 200
    client_of(party, branch, "portal")
    remember(branch, party.refresh(token=earlier["refresh_token"])["tokens"])

    # A gateway that was started meanwhile has never heard of the company.
    with House(binary, tmp_path / "house", "federated.yaml", **federated(company, partner)) as late:
        with Browser() as browser:
            page = browser.follow(party.authorize(**client_of(party, late, "portal"))["url"])
            expect_page(late, page, 502, "upstream_idp_failed", "company")
        assert ask(late, badges["company id ada"]).status_code in (401, 503)
        assert ask(late, badges["partner models ada"]).status_code == 200
        claims = party.tokens("ada", **client_of(party, late, "local"))["claims"]
        assert claims["email"] == "ada@example.com"
    company.start()


def test_new_keys_are_picked_up(branch, company, party):
    """Keys are fetched again for an unknown one, but not more often than every 30 s."""
    company.rotate()
    party.discover(issuer=company.url, algorithm="oidc")
    party.be(client_id="desktop", method="none", secret="")
    wanted = json.dumps({"id_token": {"email": None}})
    badge = party.tokens("ada", redirect_uri=NATIVE, scope="openid email", claims=wanted)["tokens"]["id_token"]
    branch.remember(badge)
    eventually(lambda: ask(branch, badge), 401)

    asked = client_of(party, branch, "portal")

    def sign_in() -> httpx.Response:
        with Browser() as browser:
            return browser.follow(at_the_callback(browser, party, branch, asked))

    assert "decision" in eventually(sign_in, 403).text


def eventually(attempt, meanwhile: int) -> httpx.Response:
    """The first answer that is good; until then each has the status `meanwhile`."""
    end = time.monotonic() + 90
    while (answer := attempt()).status_code != 200:
        assert answer.status_code == meanwhile and time.monotonic() < end, f"{answer.status_code} {answer.text}"
        time.sleep(1)
    return answer


def at_the_callback(browser: Browser, party: RelyingParty, house: House, asked: dict, username: str = "ada") -> str:
    """Signs in at the company; returns the URL with which it sends the browser back to us."""
    url = party.authorize(**asked)["url"]
    return browser.authorize(url, username, PASSWORDS[username], stop_at=f"{house.url}/oidc-callback/company")


def expect_page(house: House, page: httpx.Response, status: int, reason: str, connector: str | None) -> None:
    """An error page for people that names the request id, under which the audit trail tells the reason."""
    assert page.status_code == status, f"{page.status_code} {page.text}"
    assert page.headers["content-type"].startswith("text/html") and "no-store" in page.headers["cache-control"]
    [request_id] = set(re.findall(r"req_[\w-]+(?=</code>)", page.text))
    [record] = house.audited("signin.failure", reason=reason, request__id=request_id)
    assert record["outcome"] == ("error" if status >= 500 else "deny")
    assert record.get("actor", {}).get("connector") == connector
