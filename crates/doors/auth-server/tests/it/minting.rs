//! Policies and claims of the tokens that are minted.

use serde_json::json;

use crate::answer::Answer;
use crate::client::{Client, pairs, text};
use crate::server::{Server, Setup};

const POLICED: &str = r#"
  - name: policed
    type: oidc
    clientID: policed
    credentials: { secrets: ["SECRET"] }
    grantTypes: [authorization_code, refresh_token, client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"]
    redirectURLs: ["https://policed.example/cb"]
    allowedAudiences: ["https://tools.example/api", "http://ADDRESS/mcp"]
    defaultAudience: "https://tools.example/api"
    customScopes: { scopes: [{ name: "tools:use" }] }
    authentication: { idps: [staff] }
    authorization:
      tokenMinting:
        accessToken:
          policies:
            - name: access
              rego: |
                package orchestrator
                default result := {"allowed": false, "internal_message": "INTERNAL-CANARY", "external_message": "Only engineers."}
                result := {"allowed": true} if {
                  "eng" in input.user.groups
                  input.request.oauth.client_id == "policed"
                  input.request.oauth.response.access_token.claims.sub == "ada"
                  not BLOCKED
                }
        idToken:
          policies:
            - name: id
              rego: |
                package orchestrator
                default result := {"allowed": true}
                result := {"allowed": false, "external_message": "No email in ID tokens."} if input.request.oauth.scopes[_] == "email"
"#;

fn policed(blocked: &str) -> Setup {
    Setup::new().app(&POLICED.replace("BLOCKED", blocked))
}

fn client(server: &Server) -> Client<'_> {
    Client::confidential(server, "policed", "https://policed.example/cb")
}

#[tokio::test]
async fn a_denial_is_told_in_its_public_words_only() {
    let server = policed("false").start().await;
    let client = client(&server);
    client.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let code = client.code_for("bob", &[("scope", "tools:use")]).await;
    let answer = client.redeem(&code).await;
    assert_eq!(answer.error(), (400, "access_denied".into()));
    assert_eq!(answer.json()["error_description"], denied(&answer, "Only engineers."));
    assert!(!answer.text.contains("CANARY"));
    let records: Vec<_> =
        server.records.all().into_iter().filter(|record| record.to_string().contains("CANARY")).collect();
    assert!(!records.is_empty(), "the operator is not told: {:#?}", server.records.all());
    assert!(records.iter().all(|record| record["outcome"] == "deny"));
    // Nothing was issued, so the code is not spent: the policy may change its mind.
    assert_eq!(client.redeem(&code).await.error().1, "access_denied");
}

/// The policy is asked at every grant: no path goes round it.
#[tokio::test]
async fn every_grant_asks_the_policy() {
    let rule = r#"time.parse_rfc3339_ns("2027-01-15T10:00:00Z") < input.time.now_ns"#;
    let server = policed(rule).start().await;
    let client = client(&server);
    let tokens = client.tokens_for("ada", &[("scope", "tools:use")]).await;
    let exchanged = client.exchange(text(&tokens, "access_token"), &[]).await;
    // An exchanged token has no groups of its own in this policy.
    assert_eq!(exchanged.error().1, "access_denied");
    let own = client.token(&pairs(&[("grant_type", "client_credentials")])).await;
    assert_eq!(own.error().1, "access_denied");
    let next = client.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
    server.clock.advance(std::time::Duration::from_hours(4));
    let refused = client.refresh(text(&next, "refresh_token"), &[]).await;
    assert_eq!(refused.error(), (400, "access_denied".into()));
    assert_eq!(refused.json()["error_description"], denied(&refused, "Only engineers."));
}

#[tokio::test]
async fn id_tokens_have_policies_of_their_own() {
    let server = policed("false").start().await;
    let client = client(&server);
    let code = client.code_for("ada", &[("scope", "openid email tools:use")]).await;
    let answer = client.redeem(&code).await;
    assert_eq!(answer.json()["error_description"], denied(&answer, "No email in ID tokens."));
    // Without an ID token nobody asks its policy.
    client.tokens_for("ada", &[("scope", "email tools:use")]).await;
}

#[tokio::test]
async fn scopes_and_mappings_decide_what_a_client_learns() {
    let app = r#"
  - name: mapped
    type: oidc
    clientID: mapped
    credentials: { secrets: ["SECRET"] }
    redirectURLs: ["https://mapped.example/cb"]
    defaultAudience: "https://tools.example/api"
    authentication: { idps: [staff] }
    claimsMapping: { sub: staff.email, team: staff.department, missing: staff.nothing }
    accessToken:
      claims: { email: staff.email, groups: staff.groups, tier: "'gold'", via: client.name, none: staff.nothing }
"#;
    let server = Setup::new().app(app).start().await;
    let mapped = Client::confidential(&server, "mapped", "https://mapped.example/cb");
    let tokens = mapped.tokens_for("ada", &[("scope", "openid email")]).await;
    let access = server.claims(text(&tokens, "access_token"));
    assert_eq!(access["sub"], "ada@example.com");
    assert_eq!((&access["email"], &access["tier"]), (&json!("ada@example.com"), &json!("gold")));
    assert_eq!((&access["groups"], &access["via"]), (&json!(["eng", "leads"]), &json!("mapped")));
    assert!(access.get("none").is_none());
    let id = server.claims(text(&tokens, "id_token"));
    assert_eq!((&id["sub"], &id["team"]), (&json!("ada@example.com"), &json!("compute")));
    assert_eq!(id["email"], "ada@example.com");
    assert!(id.get("missing").is_none() && id.get("name").is_none() && id.get("groups").is_none());
    let profile = mapped.tokens_for("ada", &[("scope", "openid profile")]).await;
    let id = server.claims(text(&profile, "id_token"));
    assert_eq!(id["name"], "Ada <b>Byron</b>");
    assert!(id.get("email").is_none());
    // A subject that cannot be had is an error, never another subject.
    let code = mapped.code_for("bob", &[("scope", "openid")]).await;
    assert_eq!(mapped.redeem(&code).await.error(), (400, "access_denied".into()));
}

/// What the directory says now counts, not what it said at the sign-in.
#[tokio::test]
async fn a_refresh_sees_the_users_groups_of_today() {
    let mut server = policed("false").start().await;
    let refresh_token = {
        let tokens = client(&server).tokens_for("ada", &[("scope", "tools:use")]).await;
        text(&tokens, "refresh_token").to_owned()
    };
    server.reconfigure("groups: [eng, leads]", "groups: [leads]");
    let refused = client(&server).refresh(&refresh_token, &[]).await;
    assert_eq!(refused.error(), (400, "access_denied".into()));
    server.reconfigure("groups: [leads]", "groups: [eng, leads]");
    client(&server).refresh(&refresh_token, &[]).await.ok();
}

#[tokio::test]
async fn users_connectors_and_clients_that_were_removed_get_nothing() {
    let mut server = Server::start().await;
    let (code, refresh, access) = {
        let (portal, cli) = (server.portal(), server.cli());
        let code = portal.code_for("bob", &[]).await;
        let tokens = cli.tokens_for("bob", &[("scope", "openid tools:use")]).await;
        (code, text(&tokens, "refresh_token").to_owned(), text(&tokens, "access_token").to_owned())
    };
    let changes = [("username: bob", "username: robert"), ("clientID: cli", "clientID: cli2")];
    for (from, to) in changes {
        server.reconfigure(from, to);
        assert_eq!(server.gateway().exchange(&access, &[]).await.error().1, "invalid_request", "{to}");
        let asked = pairs(&[("token", &access)]);
        let seen = server.gateway().post("/oauth2/introspect", &asked).await.ok();
        assert_eq!(seen, json!({ "active": false }), "{to}");
        if to.contains("robert") {
            assert_eq!(server.portal().redeem(&code).await.error(), (400, "invalid_grant".into()));
            assert_eq!(server.cli().refresh(&refresh, &[]).await.error(), (400, "invalid_grant".into()));
        } else {
            assert_eq!(server.cli().refresh(&refresh, &[]).await.error(), (401, "invalid_client".into()));
        }
        server.reconfigure(to, from);
    }
    // The subject of before may be somebody else's now.
    server.reconfigure("claims: { name: Bob,", "claims: { sub: robert, name: Bob,");
    assert_eq!(server.cli().refresh(&refresh, &[]).await.error(), (400, "invalid_grant".into()));
    let seen = server.gateway().post("/oauth2/introspect", &pairs(&[("token", &access)])).await.ok();
    assert_eq!(seen, json!({ "active": false }));
    server.reconfigure("claims: { sub: robert, name: Bob,", "claims: { name: Bob,");
    assert_eq!(
        server.gateway().exchange(&access, &[]).await.ok()["issued_token_type"],
        crate::client::ACCESS_TOKEN
    );
}

/// What a client is told that a policy denies: the policy's words, and the number of the request.
fn denied(answer: &Answer, words: &str) -> String {
    format!("{words} (request {})", answer.header("request-id").unwrap())
}
