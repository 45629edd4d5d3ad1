//! No credential of a caller, and no secret of the configuration, is anywhere but where it belongs.
//!
//! Every door is driven with every kind of credential, at trace level; then everything that every upstream received,
//! every log line, the audit log and the store are searched for all of them, plain and encoded.

mod needle;

use std::path::Path;

use gatehouse_testkit::authority::random;
use gatehouse_testkit::browser::{Application, Person, SignIn, basic, claims, redeem, sign_in, token};
use gatehouse_testkit::fixture::{LLM_AUDIENCE, RESOURCE, World};
use gatehouse_testkit::mcp::{Client, Era};
use gatehouse_testkit::process::Gateway;
use gatehouse_testkit::raw_http::{Request, Response};
use serde_json::json;

use self::needle::Needles;

/// Where a client may put a credential though nobody reads it there.
fn littered(request: Request, litter: &str) -> Request {
    request
        .header("cookie", format!("session={litter}; __Host-session={litter}"))
        .header("proxy-authorization", format!("Bearer {litter}"))
        .header("x-forwarded-access-token", litter)
        .header("x-auth-token", litter)
        .header("x-amz-security-token", litter)
        .header("mcp-param-token", litter)
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("tracestate", format!("vendor={litter}"))
        .header("baggage", format!("token={litter}"))
        .header("referer", format!("https://example.com/?token={litter}"))
}

/// A tour through all doors, and what was sent on it.
struct Tour<'a> {
    world: &'a World,
    gateway: &'a Gateway,
    needles: Needles,
    litter: String,
}

impl Tour<'_> {
    fn ok(response: &Response) {
        assert!((200..300).contains(&response.status), "{} {}", response.status, response.text());
    }

    /// Signs in, refreshes, asks about tokens, and fails at all of it.
    fn authorization_server(&mut self, application: &Application<'_>) -> SignIn {
        let plain = |request: Request| request;
        let guest = sign_in(self.gateway, application, &self.world.ada(), &plain);
        self.needles.add("code", &guest.code);
        self.needles.add("code_verifier", &guest.verifier);
        for cookie in &guest.cookies {
            self.needles.add("cookie", cookie);
        }
        self.needles.token("access token", &guest.access_token);
        self.needles.token("ID token", &guest.id_token);
        self.needles.add("refresh token", &guest.refresh_token);
        let fields = [("grant_type", "refresh_token"), ("refresh_token", guest.refresh_token.as_str())];
        let refreshed = token(self.gateway, application, &fields, &plain);
        Self::ok(&refreshed);
        let answer = refreshed.json();
        self.needles.token("refreshed access token", answer["access_token"].as_str().unwrap());
        self.needles.add("second refresh token", answer["refresh_token"].as_str().unwrap());
        // Spent by now, and told apart from one that never was.
        let again = redeem(self.gateway, application, &guest.code, &guest.verifier, &plain);
        assert_eq!(again.status, 400, "{}", again.text());
        SignIn {
            access_token: sign_in(self.gateway, application, &self.world.ada(), &plain).access_token,
            ..guest
        }
    }

    fn refused_at_the_authorization_server(&mut self) {
        let word = |kind: &str| format!("{kind}.{}", random(24));
        let wrong = [word("wrong-password"), word("wrong-secret"), word("wrong-code"), word("wrong-refresh")];
        let [password, secret, code, refresh] = &wrong;
        for word in &wrong {
            self.needles.add("a wrong one", word);
        }
        self.wrong_password(password);
        let confidential = Application { secret: Some(secret), ..self.world.confidential_application() };
        let public = self.world.public_application();
        let plain = |request: Request| request;
        let statuses = [
            token(self.gateway, &confidential, &[("grant_type", "client_credentials")], &plain).status,
            redeem(self.gateway, &public, code, &random(48), &plain).status,
            token(
                self.gateway,
                &public,
                &[("grant_type", "refresh_token"), ("refresh_token", refresh)],
                &plain,
            )
            .status,
            self.gateway.send(&Request::form(&format!("/oauth2/token?client_secret={secret}"), &[])).status,
            self.gateway.send(&Request::form("/oauth2/introspect", &[("token", code)])).status,
            self.gateway
                .send(&Request::form("/oauth2/revoke", &[("token", refresh), ("client_secret", secret)]))
                .status,
            self.gateway.send(&Request::get("/oauth2/userinfo").bearer(code)).status,
        ];
        assert!(statuses.iter().all(|status| matches!(status, 400 | 401)), "{statuses:?}");
    }

    fn wrong_password(&self, password: &str) {
        let person = Person { username: "ada", password };
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            sign_in(self.gateway, &self.world.public_application(), &person, &|request| request)
        }));
        assert!(walked.is_err(), "a wrong password signs nobody in");
    }

    /// URLs of others that are refused for what they are, each with a credential in its query.
    fn refused_urls(&mut self) {
        let word = format!("query.{}", random(24));
        self.needles.add("in a query", &word);
        let redirect = format!("https%3A%2F%2Fevil.example%2Fcb%3Fcode%3D{word}");
        let document = format!("https%3A%2F%2Fclient.example%2Fdoc%3Ftoken%3D{word}");
        for query in [
            format!("client_id=claude-public&response_type=code&redirect_uri={redirect}"),
            format!("client_id={document}&response_type=code&redirect_uri={redirect}"),
        ] {
            let answer = self.gateway.send(&Request::get(&format!("/oauth2/auth?{query}")));
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
        let issuer = format!("https://stray.example.com/?token={word}");
        let stray = gatehouse_testkit::authority::Authority::new(&issuer).token(RESOURCE, "ada");
        let call = Request::json("/mcp", &json!({})).header("accept", "application/json, text/event-stream");
        assert_eq!(self.gateway.send(&call.clone().bearer(&stray)).status, 401);
        let page = call.header("origin", format!("https://ada:{word}@evil.example/?token={word}"));
        assert_eq!(self.gateway.send(&page).status, 403);
    }

    fn client_endpoints(&mut self, guest: &SignIn) {
        let secret = &self.world.secrets.client_secret;
        let client = [("client_id", "claude-confidential"), ("client_secret", secret.as_str())];
        let asked = |more: [(&'static str, &'static str); 2]| [client[0], client[1], more[0], more[1]];
        let own = self.gateway.send(&Request::form(
            "/oauth2/token",
            &asked([("grant_type", "client_credentials"), ("resource", RESOURCE)]),
        ));
        Self::ok(&own);
        self.needles.token("client's own token", own.json()["access_token"].as_str().unwrap());
        let authorization = basic("claude-confidential", secret);
        self.needles.add("Basic", authorization.strip_prefix("Basic ").unwrap());
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            for token in [&guest.refresh_token, &guest.code] {
                let request =
                    Request::form(path, &[("token", token)]).header("authorization", &authorization);
                Self::ok(&self.gateway.send(&request));
            }
        }
        Self::ok(&self.gateway.send(&Request::get("/oauth2/userinfo").bearer(&guest.access_token)));
    }

    /// Lists and calls every tool, in both eras.
    fn tools(&mut self, access_token: &str) {
        let litter = self.litter.clone();
        let with_token = |request: Request| littered(request.bearer(access_token), &litter);
        let arguments = |tool: &str| match tool {
            tool if tool.ends_with("getEmployee") => json!({ "id": "e 1/2?x", "X-Trace-Word": "word" }),
            tool if tool.ends_with("createEmployee") => json!({ "body": { "name": "Grace" } }),
            _ => json!({}),
        };
        for path in ["/mcp", "/mcp/ledger"] {
            let query = format!("{path}?access_token={litter}&token={litter}");
            let legacy = Client::legacy(self.gateway, &query, &with_token);
            if let Era::Legacy(session) = &legacy.era {
                self.needles.at_upstreams("MCP session", session);
            }
            for client in [legacy, Client::modern(self.gateway, &query, &with_token)] {
                let tools = client.list();
                let expected = if path == "/mcp" { 8 } else { 1 };
                assert_eq!(tools.len(), expected, "{tools:?}");
                for tool in tools {
                    let answer = client.call(&tool, &arguments(&tool));
                    assert!(answer["result"]["content"].is_array(), "{tool}: {answer}");
                }
            }
        }
    }

    /// Sends messages under every kind of credential.
    fn models(&mut self, access_token: &str) {
        let partner = self.world.partner.token(LLM_AUDIENCE, "eve");
        self.needles.token("partner's token", &partner);
        let keys = &self.world.secrets;
        let ways: [&dyn Fn(Request) -> Request; 6] = [
            &|request| request.header("x-api-key", &keys.api_key),
            &|request| request.bearer(&keys.api_key),
            &|request| request.bearer(access_token),
            &|request| request.bearer(&partner),
            &|request| request.header("x-api-key", access_token),
            &|request| request.header("x-api-key", &keys.api_key).bearer(&keys.api_key),
        ];
        let litter = &self.litter;
        for way in ways {
            for path in ["/v1/messages", "/v1/messages/count_tokens"] {
                for stream in [false, true] {
                    let body = json!({
                        "model": "claude-opus-4-7", "max_tokens": 9, "stream": stream,
                        "messages": [{ "role": "user", "content": "Hi" }],
                    });
                    let target = format!("{path}?beta=true&api_key={litter}");
                    let request = Request::json(&target, &body).header("anthropic-version", "2023-06-01");
                    Self::ok(&self.gateway.send(&littered(way(request), litter)));
                }
            }
            Self::ok(&self.gateway.send(&littered(way(Request::get("/v1/models")), litter)));
        }
    }

    /// Credentials that open nothing are credentials, too.
    fn refused_at_the_gateways(&mut self) {
        let stray = gatehouse_testkit::authority::Authority::new("https://stray.example.com");
        let expired = self.world.own.token_with(RESOURCE, "ada", &json!({ "exp": 1_000 }));
        let words = [
            format!("gwk_{}", random(32)),
            stray.token(RESOURCE, "ada"),
            expired,
            format!("x y {}", random(24)),
        ];
        for word in &words {
            self.needles.token("refused", word);
            for path in ["/mcp", "/mcp/ledger", "/v1/messages"] {
                let request =
                    Request::json(path, &json!({})).header("accept", "application/json, text/event-stream");
                assert_eq!(self.gateway.send(&request.clone().bearer(word)).status, 401);
                assert_eq!(self.gateway.send(&request.header("x-api-key", word)).status, 401);
            }
        }
        let repeated = Request::json("/mcp", &json!({})).bearer(&words[0]).bearer(&words[1]);
        assert_eq!(self.gateway.send(&repeated).status, 400);
    }
}

#[test]
fn no_credential_is_anywhere_but_where_it_belongs() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let litter = format!("litter.{}", random(24));
    let mut tour =
        Tour { world: &world, gateway: &gateway, needles: Needles::default(), litter: litter.clone() };
    tour.needles.add("litter", &litter);
    let secrets = &world.secrets;
    for (name, secret) in [
        ("password", &secrets.password),
        ("client secret", &secrets.client_secret),
        ("exchange secret", &secrets.exchange_secret),
        ("partner secret", &secrets.partner_secret),
        ("API key", &secrets.api_key),
    ] {
        tour.needles.add(name, secret);
    }
    let guest = tour.authorization_server(&world.public_application());
    let other = tour.authorization_server(&world.confidential_application());
    tour.needles.token("access token", &guest.access_token);
    tour.needles.token("access token", &other.access_token);
    tour.client_endpoints(&other);
    tour.refused_at_the_authorization_server();
    tour.refused_urls();
    tour.tools(&guest.access_token);
    tour.models(&guest.access_token);
    tour.refused_at_the_gateways();
    let needles = tour.needles;
    assert_reached(&world, &guest);
    for (name, upstream) in world.upstreams().into_iter().chain([("partner", &world.partner_server)]) {
        needles.assert_absent_upstream(name, &upstream.bytes());
    }
    let stopped = gateway.stop();
    assert_eq!(stopped.code, Some(0), "{}", stopped.log);
    assert!(
        stopped.log.contains("\"TRACE\"")
            || stopped.log.contains("\"DEBUG\"")
            || stopped.log.contains("\"INFO\"")
    );
    needles.assert_absent("the log", stopped.log.as_bytes());
    assert_folder_clean(stopped.folder.path(), &needles);
}

/// Asserts that the search has something to search in, and that each upstream got the credential meant for it.
fn assert_reached(world: &World, guest: &SignIn) {
    for (name, upstream) in world.upstreams() {
        assert!(!upstream.requests().is_empty(), "{name} was never asked");
    }
    for (upstream, audience) in [
        (&world.peers.directory, "https://directory.example.com"),
        (&world.peers.ledger, "https://ledger.example.com"),
    ] {
        for request in upstream.requests() {
            let token = claims(request.header("authorization").strip_prefix("Bearer ").unwrap_or_default());
            assert_eq!((&token["aud"], &token["sub"]), (&audience.into(), &"ada".into()), "{request:?}");
            assert_eq!(token["act"]["sub"], "mcp-gateway", "{token}");
            assert_eq!(token["act"]["act"]["sub"], "claude-public", "{token}");
            assert_ne!(token["jti"], claims(&guest.access_token)["jti"]);
        }
    }
    let key = |name: &str, upstream: &gatehouse_testkit::upstream::Upstream, expected: &str| {
        assert!(upstream.requests().iter().all(|request| request.header(name) == expected), "{name}");
    };
    key("x-wiki-key", &world.peers.wiki, &world.secrets.wiki_key);
    key("x-api-key", &world.peers.provider, &world.secrets.provider_key);
    key("authorization", &world.peers.provider, "");
    key("authorization", &world.peers.wiki, "");
    key("authorization", &world.peers.open, "");
    for (name, upstream) in world.upstreams() {
        let holds = |secret: &str| needle::holds(&upstream.bytes(), secret.as_bytes());
        assert_eq!(holds(&world.secrets.provider_key), name == "provider");
        assert_eq!(holds(&world.secrets.wiki_key), name == "wiki");
    }
}

/// Searches everything that the gateway wrote beside its configuration.
fn assert_folder_clean(folder: &Path, needles: &Needles) {
    let mut searched = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name != "gatehouse.yaml" && path.is_file() {
            needles.assert_absent(&name, &std::fs::read(&path).unwrap());
            searched.push(name);
        }
    }
    assert!(searched.iter().any(|name| name == "audit.jsonl"), "{searched:?}");
    assert!(searched.iter().any(|name| name == "gatehouse.db"), "{searched:?}");
}

/// The search itself finds what it looks for, however it is written.
#[test]
fn a_canary_is_found_in_every_disguise() {
    let mut needles = Needles::default();
    needles.add("secret", "Tü/p+top==.secret-value");
    for disguise in needle::disguises("Tü/p+top==.secret-value") {
        for before in ["", "a", "ab", "abc"] {
            let hay = [before.as_bytes(), &disguise, b"~~"].concat();
            assert_eq!(needles.found_in(&hay), ["secret"], "{}", String::from_utf8_lossy(&disguise));
        }
    }
    assert_eq!(needles.found_in(b"nothing of the kind"), Vec::<&str>::new());
}
