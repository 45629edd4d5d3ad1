//! Authorization server and gateway as two processes from two files: the exchange goes over HTTP, keys are fetched,
//! and when the authorization server is away the gateway does what it still can, and says what it cannot.

use gatehouse_testkit::authority::random;
use gatehouse_testkit::browser::{Application, Person, claims, sign_in};
use gatehouse_testkit::fixture::{REDIRECT, RESOURCE, password_hash};
use gatehouse_testkit::mcp::{Client, message};
use gatehouse_testkit::process::{Gateway, free_port, wait_for};
use gatehouse_testkit::raw_http::Request;
use gatehouse_testkit::sample;
use gatehouse_testkit::upstream::Upstream;
use serde_json::{Value, json};
use tempfile::TempDir;

const APPLICATION: Application<'_> = Application {
    client_id: "claude-public",
    secret: None,
    redirect_uri: REDIRECT,
    scope: "openid offline_access",
    resource: Some(RESOURCE),
};

/// Both configurations and everything behind the gateway.
struct Site {
    provider_text: String,
    gateway_text: String,
    issuer: String,
    password: String,
    directory: Upstream,
    ledger: Upstream,
    models: Upstream,
}

impl Site {
    fn new() -> Self {
        let password = random(12);
        let address = format!("127.0.0.1:{}", free_port());
        let (directory, ledger, models) =
            (sample::directory(), sample::mcp_server(), sample::model_provider());
        let values = [
            ("provider_address", address.clone()),
            ("password_hash", password_hash(&crate::binary(), &password)),
            ("exchange_secret", random(24)),
            ("directory", directory.url()),
            ("ledger", ledger.url()),
            ("provider", models.url()),
        ];
        let filled = |text: &str| {
            values
                .iter()
                .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
        };
        Self {
            provider_text: filled(sample::AUTH_PROVIDER),
            gateway_text: filled(sample::GATEWAY),
            issuer: format!("http://{address}"),
            password,
            directory,
            ledger,
            models,
        }
    }

    fn provider(&self) -> Gateway {
        Gateway::serve(&crate::binary(), &[("gatehouse.yaml", &self.provider_text)]).by_address()
    }

    fn gateway(&self) -> Gateway {
        let files =
            [("gatehouse.yaml", self.gateway_text.as_str()), ("directory.json", sample::DIRECTORY_OPENAPI)];
        Gateway::serve(&crate::binary(), &files)
    }

    fn token(&self, provider: &Gateway) -> String {
        let ada = Person { username: "ada", password: &self.password };
        sign_in(provider, &APPLICATION, &ada, &|request| request).access_token
    }
}

/// The provider once more, with what it kept.
fn provider_again(folder: TempDir) -> Gateway {
    Gateway::serve_in(&crate::binary(), folder, "gatehouse.yaml").by_address()
}

/// A message to a model under `token`.
fn ask_model(gateway: &Gateway, token: &str) -> u16 {
    let body = json!({
        "model": "claude-opus-4-7", "max_tokens": 9, "messages": [{ "role": "user", "content": "Hi" }],
    });
    gateway.send(&Request::json("/v1/messages", &body).bearer(token)).status
}

/// Whether a call went through: its content, or what the caller is told instead.
fn outcome(answer: &Value) -> Result<String, String> {
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    if answer["result"]["content"].is_array() && answer["result"]["isError"] != true {
        return Ok(text);
    }
    Err(answer["error"]["message"].as_str().map_or(text, str::to_owned))
}

#[test]
fn a_token_of_one_process_opens_the_other_and_is_exchanged_over_http() {
    let site = Site::new();
    let (provider, gateway) = (site.provider(), site.gateway());
    let metadata = gateway.send(&Request::get("/.well-known/oauth-protected-resource/mcp")).json();
    assert_eq!(metadata["authorization_servers"], json!([site.issuer]));
    let nobody = Client::modern(&gateway, "/mcp", &|request| request).send("tools/list", json!({}));
    assert_eq!(nobody.status, 401);
    let token = site.token(&provider);
    let with_token = |request: Request| request.bearer(&token);
    let client = Client::modern(&gateway, "/mcp", &with_token);
    assert_eq!(client.list().len(), 4);
    for tool in ["directory_listEmployees", "directory_createEmployee", "ledger_whoami"] {
        let arguments =
            if tool.contains("create") { json!({ "body": { "name": "Grace" } }) } else { json!({}) };
        outcome(&client.call(tool, &arguments)).unwrap();
    }
    assert_eq!(ask_model(&gateway, &token), 200);
    let directory = site.directory.requests();
    let sent = |at: usize| claims(directory[at].header("authorization").strip_prefix("Bearer ").unwrap());
    for (at, may_write) in [(0, false), (1, true)] {
        let claims = sent(at);
        assert_eq!(claims["iss"], site.issuer.as_str(), "{claims}");
        assert_eq!(claims["sub"], "ada", "{claims}");
        assert_eq!(claims["aud"], "https://directory.example.com", "{claims}");
        assert_eq!(
            claims["act"],
            json!({ "sub": "mcp-gateway", "act": { "sub": "claude-public" } }),
            "{claims}"
        );
        let scopes = claims["scope"].as_str().unwrap_or_default().split(' ');
        assert_eq!(scopes.into_iter().any(|scope| scope == "directory:write"), may_write, "{claims}");
    }
    assert!(sent(1)["exp"].as_u64().unwrap() - sent(1)["iat"].as_u64().unwrap() <= 60, "{}", sent(1));
    for upstream in [&site.directory, &site.ledger, &site.models] {
        let bytes = upstream.bytes();
        assert!(!String::from_utf8_lossy(&bytes).contains(&token), "the caller's token was passed on");
    }
    // Either process has its own half of the story, and both name the user.
    let exchanged = |record: &&Value| record["event"] == "token.exchange" && record["outcome"] == "allow";
    let provider_audit = provider.audit();
    let exchanges: Vec<&Value> = provider_audit.iter().filter(exchanged).collect();
    assert!(exchanges.len() >= 3, "{provider_audit:?}");
    assert!(exchanges.iter().all(|record| record["actor"]["client_id"] == "mcp-gateway"), "{exchanges:?}");
    let calls = wait_for(|| {
        let records: Vec<Value> =
            gateway.audit().into_iter().filter(|record| record["event"] == "tool.call").collect();
        (records.len() == 3).then_some(records)
    });
    assert!(calls.unwrap().iter().all(|record| record["actor"]["sub"] == "ada"));
}

#[test]
fn while_the_authorization_server_is_away_known_tokens_work_and_new_exchanges_fail_closed() {
    let site = Site::new();
    let (provider, gateway) = (site.provider(), site.gateway());
    let (used, unused) = (site.token(&provider), site.token(&provider));
    let with_token = |request: Request| request.bearer(&used);
    let client = Client::modern(&gateway, "/mcp", &with_token);
    assert_eq!(client.list().len(), 4);
    outcome(&client.call("directory_listEmployees", &json!({}))).unwrap();
    assert_eq!(ask_model(&gateway, &used), 200);
    let stopped = provider.stop();
    assert_eq!(stopped.code, Some(0), "{}", stopped.log);
    // Keys are known, so tokens are verified: one that was seen before, and one that never was.
    for token in [&used, &unused] {
        assert_eq!(ask_model(&gateway, token), 200);
        let with_token = |request: Request| request.bearer(token);
        let client = Client::modern(&gateway, "/mcp", &with_token);
        assert_eq!(client.send("server/discover", json!({})).status, 200);
    }
    let forged = gatehouse_testkit::authority::Authority::new(site.issuer.clone()).token(RESOURCE, "ada");
    let refused = ask_model(&gateway, &forged);
    assert!(matches!(refused, 401 | 503), "a token under an unknown key: {refused}");
    // A token that was exchanged before is still good.
    outcome(&client.call("directory_listEmployees", &json!({}))).unwrap();
    // One that was not is not to be had, and nothing is sent without it.
    let before = site.directory.requests().len();
    let answer = client.send("tools/call", json!({ "name": "directory_createEmployee", "arguments": {} }));
    let told = outcome(&message(&answer)).unwrap_err();
    assert!(!told.is_empty(), "{}", answer.text());
    assert!(!told.contains("127.0.0.1") && !told.contains("refused (os error"), "for operators only: {told}");
    assert_eq!(site.directory.requests().len(), before, "a call went out without its token");
    let record = gateway.audited(answer.header("request-id")).unwrap();
    assert_eq!(
        (&record["outcome"], &record["reason"]),
        (&"error".into(), &"exchange_unavailable".into()),
        "{record}"
    );
    // It comes back, with the keys that it had, and all is well again.
    let provider = provider_again(stopped.folder);
    let back = wait_for(|| outcome(&client.call("directory_createEmployee", &json!({}))).ok());
    assert!(back.is_some(), "{}", gateway.log());
    let fresh = site.token(&provider);
    assert_eq!(ask_model(&gateway, &fresh), 200);
}

#[test]
fn a_gateway_that_starts_first_says_that_it_cannot_check_tokens_yet() {
    let site = Site::new();
    // Somebody has a token already.
    let provider = site.provider();
    let token = site.token(&provider);
    let stopped = provider.stop();
    let gateway = site.gateway();
    let body = json!({});
    let response = gateway.send(&Request::json("/v1/messages", &body).bearer(&token));
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(!response.header("retry-after").is_empty());
    assert!(!response.text().contains(&site.issuer), "for operators only: {}", response.text());
    let record = gateway.audited(response.header("request-id")).unwrap();
    assert_eq!(record["reason"], "issuer_keys_unavailable", "{record}");
    assert!(site.models.requests().is_empty());
    let _provider = provider_again(stopped.folder);
    let served = wait_for(|| (ask_model(&gateway, &token) == 200).then_some(()));
    assert!(served.is_some(), "it never noticed that the authorization server is there:\n{}", gateway.log());
}
