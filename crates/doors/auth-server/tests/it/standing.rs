//! What a token stands on: whatever is taken out of the configuration, every way to use the token ends, and begins again
//! when it is put back.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::client::{Client, pairs, text};
use crate::server::{Server, Setup};
use crate::userinfo;

const GUESTS: &str = r#"
  - name: guests
    type: local
    users: [{ username: cyd, passwordHash: "HASH", claims: { name: Cyd } }]
"#;

/// What a client got, and what the gateway made of it.
struct Held {
    tokens: Value,
    exchanged: String,
}

impl Held {
    async fn of(client: &Client<'_>, server: &Server, username: &str) -> Self {
        let resource = server.url("/mcp");
        let tokens = client
            .tokens_for(username, &[("scope", "openid offline_access tools:use"), ("resource", &resource)])
            .await;
        let audience = [("audience", resource.as_str())];
        let exchanged = server.gateway().exchange(text(&tokens, "access_token"), &audience).await.ok();
        Self { exchanged: text(&exchanged, "access_token").to_owned(), tokens }
    }

    /// What each way to use the tokens answers: the gate of the MCP gateway, with the token and with one exchanged for
    /// it; userinfo; introspection; exchange; refresh.
    async fn used(&self, client: &Client<'_>, server: &Server) -> [String; 6] {
        let access = text(&self.tokens, "access_token");
        let gate = |verdict: Result<(), gatehouse_edge::rejection::Rejection>| match verdict {
            Ok(()) => "good".to_owned(),
            Err(rejection) => rejection.reason.to_owned(),
        };
        let asked = pairs(&[("token", access)]);
        let introspected = server.gateway().post("/oauth2/introspect", &asked).await.ok();
        let exchanged = server.gateway().exchange(access, &[]).await;
        let refreshed = client.refresh(text(&self.tokens, "refresh_token"), &[]).await;
        let code = |answer: &crate::answer::Answer| match answer.status {
            200 => "good".to_owned(),
            _ => answer.error().1,
        };
        [
            gate(server.knock(access).await),
            gate(server.knock(&self.exchanged).await),
            userinfo::get(server, &[&format!("Bearer {access}")]).await.status.to_string(),
            introspected["active"].to_string(),
            code(&exchanged),
            code(&refreshed),
        ]
    }
}

const GOOD: [&str; 6] = ["good", "good", "200", "true", "good", "good"];

async fn guests() -> Server {
    // The portal is for guests.
    Setup::new()
        .connector(GUESTS)
        .edit(
            "customScopes: { scopes: [{ name: \"tools:use\" }] }\n    authentication: { idps: [staff] }",
            "customScopes: { scopes: [{ name: \"tools:use\" }] }\n    authentication: { idps: [guests] }",
        )
        .start()
        .await
}

#[tokio::test]
async fn every_use_ends_with_what_is_taken_away() {
    let mut server = guests().await;
    let portal_app = (
        "  - name: The-Portal\n    type: oidc\n    clientID: portal\n",
        "  - name: The-Portal\n    type: oidc\n    clientID: moved\n",
    );
    let gone = [
        // The user.
        (
            ("{ username: cyd, passwordHash", "{ username: cyrus, passwordHash"),
            ["token_user_removed", "token_user_removed", "401", "false", "invalid_request", "invalid_grant"],
        ),
        // Somebody else has the name.
        (
            ("claims: { name: Cyd }", "claims: { name: Cyd, sub: somebody-else }"),
            ["token_user_removed", "token_user_removed", "401", "false", "invalid_request", "invalid_grant"],
        ),
        // The client.
        (
            portal_app,
            [
                "token_client_removed",
                "token_client_removed",
                "401",
                "false",
                "invalid_request",
                "invalid_client",
            ],
        ),
        // The connector, for this client. What was exchanged does not say who signed in where.
        (
            ("idps: [guests]", "idps: [staff]"),
            ["token_connector_removed", "good", "401", "false", "invalid_request", "invalid_grant"],
        ),
    ];
    for ((there, taken), expected) in gone {
        let held = Held::of(&server.portal(), &server, "cyd").await;
        server.reconfigure(there, taken);
        assert_eq!(held.used(&server.portal(), &server).await, expected, "{taken}");
        server.reconfigure(taken, there);
        assert_eq!(held.used(&server.portal(), &server).await, GOOD, "put back: {there}");
    }
}

/// A connector by another name is another connector, however alike its users are.
#[tokio::test]
async fn a_connector_that_is_gone_takes_its_users_with_it() {
    let mut server = guests().await;
    let held = Held::of(&server.portal(), &server, "cyd").await;
    let (there, taken) = (("name: guests", "idps: [guests]"), ("name: visitors", "idps: [visitors]"));
    server.reconfigure_all(&[(there.0, taken.0), (there.1, taken.1)]);
    let expected = [
        "token_connector_removed",
        "token_connector_removed",
        "401",
        "false",
        "invalid_request",
        "invalid_grant",
    ];
    assert_eq!(held.used(&server.portal(), &server).await, expected);
    server.reconfigure_all(&[(taken.0, there.0), (taken.1, there.1)]);
    assert_eq!(held.used(&server.portal(), &server).await, GOOD);
}

/// A browser that signed in through a connector which is gone since has to sign in again, and a consent that was given
/// to a client which is gone opens nothing.
#[tokio::test]
async fn a_browser_session_stands_on_its_connector() {
    let mut server = guests().await;
    let url = server.portal().authorization_url(&[]);
    let cookies = {
        let mut browser = Browser::new(&server);
        let page = browser.approve_as("cyd", &url).await;
        assert!(page.redirected_with("code").is_some());
        let again = browser.visit(&url).await;
        assert!(
            again.redirected_with("code").is_some(),
            "neither sign-in nor consent is asked twice: {again:?}"
        );
        browser.cookies
    };
    server.reconfigure("idps: [guests]", "idps: [staff]");
    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    let asked = browser.visit(&url).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    assert!(asked.text.contains("name=\"password\""), "{asked:?}");
    let cookies = browser.cookies;
    server.reconfigure("clientID: portal", "clientID: moved");
    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    assert_eq!(browser.visit(&url).await.status, 400);
}

/// The tokens say what they stand on, and what is exchanged for them says it too.
#[tokio::test]
async fn tokens_name_connector_login_and_generation() {
    let server = Server::start().await;
    let held = Held::of(&server.cli(), &server, "ada").await;
    let refreshed = server.cli().refresh(text(&held.tokens, "refresh_token"), &[]).await.ok();
    let first = server.claims(text(&held.tokens, "access_token"));
    assert_eq!((&first["grant_connector"], &first["grant_generation"]), (&json!("staff"), &json!(1)));
    for (token, generation) in [
        (text(&held.tokens, "id_token"), 1),
        (held.exchanged.as_str(), 1),
        (text(&refreshed, "access_token"), 2),
        (text(&refreshed, "id_token"), 2),
    ] {
        let claims = server.claims(token);
        assert_eq!(claims["grant_generation"], generation);
        for claim in ["grant_id", "grant_connector", "grant_login"] {
            assert_eq!(claims[claim], first[claim], "{claim}");
        }
    }
    let own = server.gateway().token(&pairs(&[("grant_type", "client_credentials")])).await.ok();
    assert!(!server.claims(text(&own, "access_token")).contains_key("grant_connector"));
}
