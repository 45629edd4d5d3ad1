//! Token exchange [RFC 8693].

use std::time::Duration;

use serde_json::{Value, json};

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;

use crate::client::{ACCESS_TOKEN, Client, changed, pairs, text};
use crate::server::{Server, Setup};

const TOOLS: &str = "https://tools.example/api";
const FILES: &str = "https://files.example/";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

async fn subject(server: &Server) -> String {
    let tokens = server.cli().tokens_for("ada", &[("scope", "openid tools:use")]).await;
    text(&tokens, "access_token").to_owned()
}

/// Claims of an access token of our own with these changes; `null` removes one.
fn claims(server: &Server, changes: &Value) -> Value {
    let now = 1_800_000_000;
    let mut claims = json!({
        "iss": server.issuer, "sub": "ada", "aud": server.url("/mcp"), "client_id": "cli", "scope": "tools:use",
        "iat": now, "exp": now + 600, "jti": "jti-1",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

#[tokio::test]
async fn the_result_speaks_for_the_user_and_names_who_acts() {
    let server = Server::start().await;
    let token = subject(&server).await;
    let answer = server.gateway().exchange(&token, &[("scope", "tools:use")]).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let answer = answer.ok();
    assert_eq!(answer["issued_token_type"], ACCESS_TOKEN);
    assert_eq!((&answer["token_type"], &answer["scope"]), (&json!("Bearer"), &json!("tools:use")));
    assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
    let (from, result) = (server.claims(&token), server.claims(text(&answer, "access_token")));
    assert_eq!((&result["sub"], &result["aud"]), (&json!("ada"), &json!(TOOLS)));
    assert_eq!(result["client_id"], "gateway");
    assert_eq!(result["act"], json!({ "sub": "gateway", "act": { "sub": "cli" } }));
    assert_eq!(result["act_assurance"], "self_asserted");
    assert_eq!(result["parent_jti"], from["jti"]);
    assert_eq!((&result["auth_time"], &result["amr"]), (&from["auth_time"], &from["amr"]));
    assert_ne!(result["jti"], from["jti"]);
    let record = server.records.all().into_iter().find(|record| record["event"] == "token.exchange").unwrap();
    assert!(record.to_string().contains("gateway"), "{record:#}");
}

#[tokio::test]
async fn a_second_exchange_extends_the_chain() {
    let app = r#"
  - { name: deeper, type: oidc, clientID: deeper, credentials: { secrets: ["SECRET"] },
      grantTypes: ["urn:ietf:params:oauth:grant-type:token-exchange"], allowedAudiences: ["https://files.example/"],
      customScopes: { scopes: [{ name: "tools:use" }] }, tokenExchange: { subjectAudiences: ["https://tools.example/api"] } }
"#;
    let server = Setup::new().app(app).start().await;
    let first = server.gateway().exchange(&subject(&server).await, &[]).await.ok();
    let deeper = Client::confidential(&server, "deeper", "");
    let second = deeper.exchange(text(&first, "access_token"), &[("audience", FILES)]).await.ok();
    let claims = server.claims(text(&second, "access_token"));
    let chain = json!({ "sub": "deeper", "act": { "sub": "gateway", "act": { "sub": "cli" } } });
    assert_eq!((&claims["sub"], &claims["act"]), (&json!("ada"), &chain));
    // A portal that proved itself by a secret makes a chain of secrets.
    let portal = server.portal().tokens_for("ada", &[("scope", "tools:use")]).await;
    let proven = server.gateway().exchange(text(&portal, "access_token"), &[]).await.ok();
    assert_eq!(server.claims(text(&proven, "access_token"))["act_assurance"], "secret");
}

#[tokio::test]
async fn chains_have_an_end() {
    let server = Server::start().await;
    let nested = |depth: usize| {
        (0..depth).fold(Value::Null, |inner, number| {
            let mut act = json!({ "sub": if (depth - number).is_multiple_of(2) { "cli" } else { "portal" } });
            if !inner.is_null() {
                act["act"] = inner;
            }
            act
        })
    };
    for (depth, fits) in [(2, true), (3, false), (5, false), (40, false)] {
        let token =
            server.sign(Algorithm::Es256, "at+jwt", &claims(&server, &json!({ "act": nested(depth) })));
        let answer = server.gateway().exchange(&token, &[]).await;
        if fits {
            answer.ok();
        } else {
            assert_eq!(answer.error(), (400, "invalid_request".into()), "{depth}");
        }
    }
    let unreadable = claims(&server, &json!({ "act": { "sub": 7 } }));
    let token = server.sign(Algorithm::Es256, "at+jwt", &unreadable);
    assert_eq!(server.gateway().exchange(&token, &[]).await.error().1, "invalid_request");
}

#[tokio::test]
async fn scopes_never_grow_by_default() {
    let server = Server::start().await;
    let token = subject(&server).await;
    let same = server.gateway().exchange(&token, &[]).await.ok();
    assert_eq!(same["scope"], "tools:use", "what is about the sign-in stays here unless it is asked for");
    let named = server.gateway().exchange(&token, &[("scope", "openid tools:use")]).await.ok();
    assert_eq!(named["scope"], "openid tools:use");
    for scope in ["tools:admin", "tools:use tools:admin", "ledger:read", "nothing"] {
        let answer = server.gateway().exchange(&token, &[("scope", scope)]).await;
        assert_eq!(answer.error(), (400, "invalid_scope".into()), "{scope}");
    }
}

#[tokio::test]
async fn scopes_are_mapped_or_explicit_only_by_the_operators_word() {
    let apps = r#"
  - { name: mapper, type: oidc, clientID: mapper, credentials: { secrets: ["SECRET"] },
      grantTypes: ["urn:ietf:params:oauth:grant-type:token-exchange"], allowedAudiences: ["https://files.example/"],
      customScopes: { scopes: [{ name: "files:read" }, { name: "files:write" }] },
      tokenExchange: { scopes: mapped, scopeMap: { "tools:use": ["files:read"], "tools:admin": ["files:write"] } } }
  - { name: chooser, type: oidc, clientID: chooser, credentials: { secrets: ["SECRET"] },
      grantTypes: ["urn:ietf:params:oauth:grant-type:token-exchange"], allowedAudiences: ["https://files.example/"],
      customScopes: { scopes: [{ name: "files:read" }] }, tokenExchange: { scopes: explicit } }
"#;
    let server = Setup::new().app(apps).start().await;
    let token = subject(&server).await;
    let mapper = Client::confidential(&server, "mapper", "");
    let mapped = mapper.exchange(&token, &[("audience", FILES)]).await.ok();
    assert_eq!(mapped["scope"], "files:read");
    for scope in ["files:write", "tools:use"] {
        let answer = mapper.exchange(&token, &[("audience", FILES), ("scope", scope)]).await;
        assert_eq!(answer.error().1, "invalid_scope", "{scope}");
    }
    let chooser = Client::confidential(&server, "chooser", "");
    let chosen = chooser.exchange(&token, &[("audience", FILES), ("scope", "files:read")]).await.ok();
    assert_eq!(chosen["scope"], "files:read");
    let unregistered = chooser.exchange(&token, &[("audience", FILES), ("scope", "tools:use")]).await;
    assert_eq!(unregistered.error().1, "invalid_scope");
}

#[tokio::test]
async fn targets_are_those_of_the_client() {
    let server = Server::start().await;
    let token = subject(&server).await;
    let gateway = server.gateway();
    for (name, value) in [
        ("audience", "https://unknown.example/"),
        ("audience", "cli"),
        ("resource", "https://unknown.example/"),
        ("resource", "https://tools.example/api#x"),
    ] {
        let answer = gateway.exchange(&token, &[("audience", ""), (name, value)]).await;
        assert_eq!(answer.error(), (400, "invalid_target".into()), "{name}={value}");
    }
    let both = [("audience", TOOLS), ("resource", FILES)];
    let answer = gateway.exchange(&token, &both).await.ok();
    assert_eq!(server.claims(text(&answer, "access_token"))["aud"], json!([FILES, TOOLS]));
}

#[tokio::test]
async fn a_token_that_was_not_meant_for_the_requester_is_refused() {
    let server = Setup::new()
        .app(
            r#"
  - { name: stranger, type: oidc, clientID: stranger, credentials: { secrets: ["SECRET"] },
      grantTypes: ["urn:ietf:params:oauth:grant-type:token-exchange"], allowedAudiences: ["https://files.example/"],
      tokenExchange: { subjectAudiences: ["https://elsewhere.example/"] } }
"#,
        )
        .start()
        .await;
    let stranger = Client::confidential(&server, "stranger", "");
    let answer = stranger.exchange(&subject(&server).await, &[("audience", FILES)]).await;
    assert_eq!(answer.error(), (400, "invalid_request".into()));
    server.records.with_reason("exchange_not_for_requester").await;
}

/// Nobody said that it has any part in tokens for others: that another client gets them is no such word.
#[tokio::test]
async fn by_default_only_tokens_for_this_process_are_exchanged() {
    let server = Setup::new()
        .app(
            r#"
  - { name: plain, type: oidc, clientID: plain, credentials: { secrets: ["SECRET"] },
      grantTypes: ["urn:ietf:params:oauth:grant-type:token-exchange"], allowedAudiences: ["https://files.example/", "https://tools.example/api"] }
"#,
        )
        .start()
        .await;
    let plain = Client::confidential(&server, "plain", "");
    let ours = subject(&server).await;
    let tools = server.gateway().exchange(&ours, &[]).await.ok();
    let tools = text(&tools, "access_token");
    assert_eq!(server.claims(tools)["aud"], TOOLS);
    plain.exchange(&ours, &[("audience", FILES)]).await.ok();
    let answer = plain.exchange(tools, &[("audience", FILES)]).await;
    assert_eq!(answer.error(), (400, "invalid_request".into()), "a token for somebody else's API");
    server.records.with_reason("exchange_not_for_requester").await;
}

/// Everything that is not a live access token of our own, of the declared type.
#[tokio::test]
async fn other_tokens_are_refused() {
    let server = Server::start().await;
    let gateway = server.gateway();
    let good = claims(&server, &json!({}));
    let token = |typ: &str, changes: &Value| server.sign(Algorithm::Es256, typ, &claims(&server, changes));
    let foreign = SigningKey::generate(Algorithm::Es256).unwrap();
    let now = 1_800_000_000;
    let hs256 = {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(good.to_string()))
    };
    let cases = [
        ("foreign key", foreign.sign("at+jwt", good.as_object().unwrap()).unwrap()),
        ("foreign issuer", token("at+jwt", &json!({ "iss": "https://other.example" }))),
        ("issuer with a slash", token("at+jwt", &json!({ "iss": format!("{}/", server.issuer) }))),
        ("expired", token("at+jwt", &json!({ "exp": now - 1 }))),
        ("expired just now", token("at+jwt", &json!({ "exp": now }))),
        ("no exp", token("at+jwt", &json!({ "exp": null }))),
        ("exp as text", token("at+jwt", &json!({ "exp": (now + 600).to_string() }))),
        ("not yet", token("at+jwt", &json!({ "nbf": now + 300 }))),
        ("lives too long", token("at+jwt", &json!({ "exp": now + 40 * 86_400 }))),
        ("no audience", token("at+jwt", &json!({ "aud": null }))),
        ("audience of numbers", token("at+jwt", &json!({ "aud": [1] }))),
        ("no subject", token("at+jwt", &json!({ "sub": null }))),
        ("typ of an ID token", token("JWT", &json!({}))),
        ("other typ", token("oauth-id-jag+jwt", &json!({}))),
        ("unsigned", hs256),
        ("nonsense", "not.a.token".to_owned()),
        ("client is gone", token("at+jwt", &json!({ "client_id": "gone" }))),
        ("grant is unknown", token("at+jwt", &json!({ "grant_id": "gone" }))),
        ("scope as a list", token("at+jwt", &json!({ "scope": ["tools:use"] }))),
    ];
    gateway.exchange(&token("at+jwt", &json!({})), &[]).await.ok();
    for (what, token) in cases {
        let answer = gateway.exchange(&token, &[]).await;
        if what == "scope as a list" {
            // Unreadable scopes are no scopes.
            assert_eq!(answer.ok()["scope"], "", "{what}");
            continue;
        }
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{what}");
    }
}

/// One kind of token cannot pass for another.
#[tokio::test]
async fn types_are_not_confused() {
    let server = Server::start().await;
    let gateway = server.gateway();
    let tokens = server.cli().tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let (access, id) = (text(&tokens, "access_token"), text(&tokens, "id_token"));
    let refused = [
        (access, ID_TOKEN, "invalid_request"),
        (id, ACCESS_TOKEN, "invalid_request"),
        (id, JWT, "invalid_request"),
        (text(&tokens, "refresh_token"), ACCESS_TOKEN, "invalid_request"),
        (text(&tokens, "refresh_token"), "urn:ietf:params:oauth:token-type:refresh_token", "invalid_request"),
        (access, "urn:ietf:params:oauth:token-type:saml2", "invalid_request"),
        (access, "", "invalid_request"),
        // A good ID token, but it was not issued for the gateway.
        (id, ID_TOKEN, "invalid_request"),
    ];
    for (token, declared, expected) in refused {
        let answer = gateway.exchange(token, &[("subject_token_type", declared)]).await;
        assert_eq!(answer.error(), (400, expected.to_owned()), "{declared}");
    }
    for requested in
        ["urn:ietf:params:oauth:token-type:refresh_token", "urn:ietf:params:oauth:token-type:id-jag"]
    {
        let answer = gateway.exchange(access, &[("requested_token_type", requested)]).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{requested}");
    }
    let as_jwt =
        gateway.exchange(access, &[("requested_token_type", JWT), ("subject_token_type", JWT)]).await.ok();
    assert_eq!(as_jwt["issued_token_type"], JWT);
}

/// An ID token opens nothing any more once its grant is revoked or its user is gone [abuse case 3].
#[tokio::test]
async fn id_tokens_fall_with_their_grant() {
    let app = r#"
  - { name: web, type: oidc, clientID: web, credentials: { secrets: ["SECRET"] }, redirectURLs: ["https://web.example/cb"],
      grantTypes: [authorization_code, refresh_token, "urn:ietf:params:oauth:grant-type:token-exchange"],
      allowedAudiences: ["https://tools.example/api"], authentication: { idps: [staff] } }
"#;
    let mut server = Setup::new().app(app).start().await;
    let declared = ("subject_token_type", ID_TOKEN);
    let (kept, revoked) = {
        let web = Client::confidential(&server, "web", "https://web.example/cb");
        let kept = web.tokens_for("bob", &[("scope", "openid")]).await;
        web.exchange(text(&kept, "id_token"), &[declared]).await.ok();
        let revoked = web.tokens_for("bob", &[("scope", "openid")]).await;
        web.post("/oauth2/revoke", &pairs(&[("token", text(&revoked, "refresh_token"))])).await.ok();
        (text(&kept, "id_token").to_owned(), text(&revoked, "id_token").to_owned())
    };
    let web = Client::confidential(&server, "web", "https://web.example/cb");
    assert_eq!(web.exchange(&revoked, &[declared]).await.error().1, "invalid_request");
    web.exchange(&kept, &[declared]).await.ok();
    server.reconfigure("username: bob", "username: robert");
    let web = Client::confidential(&server, "web", "https://web.example/cb");
    assert_eq!(web.exchange(&kept, &[declared]).await.error().1, "invalid_request");
}

#[tokio::test]
async fn actors_speak_for_the_requester_or_not_at_all() {
    let server = Server::start().await;
    let (gateway, portal) = (server.gateway(), server.portal());
    let token = subject(&server).await;
    let own = gateway.token(&pairs(&[("grant_type", "client_credentials"), ("audience", TOOLS)])).await.ok();
    let own = text(&own, "access_token");
    let with_actor = |actor: &'static str| [("actor_token_type", actor)];
    let accepted = gateway.exchange(&token, &[("actor_token", own), with_actor(ACCESS_TOKEN)[0]]).await.ok();
    let act = &server.claims(text(&accepted, "access_token"))["act"];
    assert_eq!(act, &json!({ "sub": "gateway", "act": { "sub": "cli" } }));
    // The user's own token, and that of another client, do not make the gateway somebody else.
    let other = portal.tokens_for("bob", &[("scope", "tools:use")]).await;
    for foreign in [token.as_str(), text(&other, "access_token")] {
        let answer = gateway.exchange(&token, &[("actor_token", foreign), with_actor(ACCESS_TOKEN)[0]]).await;
        assert_eq!(answer.error(), (400, "access_denied".into()));
    }
    for (name, value) in [("actor_token", own), ("actor_token_type", ACCESS_TOKEN)] {
        assert_eq!(gateway.exchange(&token, &[(name, value)]).await.error().1, "invalid_request", "{name}");
    }
}

#[tokio::test]
async fn may_act_names_who_may() {
    let server = Server::start().await;
    let gateway = server.gateway();
    let cases = [
        (json!({ "client_id": "gateway" }), true),
        (json!({ "sub": "gateway", "iss": server.issuer }), true),
        (json!({ "client_id": "other" }), false),
        (json!({ "sub": "gateway", "iss": "https://other.example" }), false),
        (json!({ "sub": "gateway", "department": "x" }), false),
        (json!({ "iss": server.issuer }), false),
        (json!({}), false),
        (json!("gateway"), false),
    ];
    for (may_act, allowed) in cases {
        let token = server.sign(Algorithm::Es256, "at+jwt", &claims(&server, &json!({ "may_act": may_act })));
        let answer = gateway.exchange(&token, &[]).await;
        if allowed {
            answer.ok();
        } else {
            assert_eq!(answer.error(), (400, "access_denied".into()), "{may_act}");
        }
    }
}

#[tokio::test]
async fn a_result_never_outlives_its_subject_token() {
    let server = Server::start().await;
    let token = subject(&server).await;
    server.clock.advance(Duration::from_secs(890));
    let answer = server.gateway().exchange(&token, &[("expires_in", "300")]).await.ok();
    assert_eq!(answer["expires_in"], 10);
    let (from, result) = (server.claims(&token), server.claims(text(&answer, "access_token")));
    assert!(result["exp"].as_i64() <= from["exp"].as_i64());
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(server.gateway().exchange(&token, &[]).await.error().1, "invalid_request");
}

#[tokio::test]
async fn revoking_the_subject_token_reaches_its_descendants() {
    let server = Server::start().await;
    let (cli, gateway) = (server.cli(), server.gateway());
    let token = subject(&server).await;
    let child = gateway.exchange(&token, &[]).await.ok();
    let child = text(&child, "access_token");
    let active = pairs(&[("token", child)]);
    assert_eq!(gateway.post("/oauth2/introspect", &active).await.ok()["active"], json!(true));
    cli.post("/oauth2/revoke", &pairs(&[("token", &token)])).await.ok();
    assert_eq!(gateway.post("/oauth2/introspect", &active).await.ok(), json!({ "active": false }));
    assert_eq!(gateway.exchange(child, &[]).await.error().1, "invalid_request");
    let missing = changed(pairs(&[("grant_type", crate::client::EXCHANGE)]), &[("subject_token", &token)]);
    assert_eq!(gateway.token(&missing).await.error().1, "invalid_request");
}

/// However far down, and wherever in the line the revoked token is.
#[tokio::test]
async fn revoking_any_token_of_a_line_reaches_all_below_it() {
    let server = Server::start().await;
    let (cli, gateway) = (server.cli(), server.gateway());
    for revoked in 0..5 {
        let mut line = vec![subject(&server).await];
        for _ in 0..5 {
            let next = gateway.exchange(line.last().unwrap(), &[]).await.ok();
            line.push(text(&next, "access_token").to_owned());
        }
        let longer = gateway.exchange(line.last().unwrap(), &[]).await;
        assert_eq!(longer.error(), (400, "invalid_request".into()), "a line has an end");
        server.records.with_reason("exchange_chain").await;
        let ids: Vec<Value> = line.iter().map(|token| server.claims(token)["jti"].clone()).collect();
        let last = server.claims(line.last().unwrap());
        assert_eq!(
            (&last["parent_jti"], &last["ancestor_jti"]),
            (&ids[4], &json!([ids[3], ids[2], ids[1], ids[0]]))
        );

        let holder = if revoked == 0 { &cli } else { &gateway };
        holder.post("/oauth2/revoke", &pairs(&[("token", &line[revoked])])).await.ok();
        for (generation, token) in line.iter().enumerate().skip(1) {
            let seen = gateway.post("/oauth2/introspect", &pairs(&[("token", token)])).await.ok();
            assert_eq!(
                seen["active"],
                json!(generation < revoked),
                "{revoked} was revoked, {generation} asked"
            );
            let again = gateway.exchange(token, &[]).await;
            assert_eq!(
                again.status == 200,
                generation < revoked,
                "{revoked} was revoked, {generation} exchanged"
            );
        }
    }
}
