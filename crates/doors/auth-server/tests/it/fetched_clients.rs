//! Clients that are known by the URL of a metadata document.

use crate::answer::Answer;
use crate::browser::Browser;
use crate::client::{Client, text};
use crate::server::{PASSWORD, Server, Setup};

const CODE: &str = "https://claude.ai/oauth/claude-code-client-metadata";
const WEB: &str = "https://apps.example/client.json";

const PROVIDER: &str = r#"
  clientIDMetadata:
    allowedHosts: [claude.ai, "127.0.0.1", "127.0.0.1:PORT", "169.254.169.254", nobody.invalid]
    pinned: [{ url: "https://apps.example/client.json", document: file:///web.json }]
    authentication: { idps: [staff] }
    customScopes: { scopes: [{ name: "tools:use" }] }
"#;

const DOCUMENT: &str = r#"{ "client_id": "https://apps.example/client.json", "client_name": "Friendly <i>App</i>\u202e",
  "redirect_uris": ["https://apps.example/cb"], "token_endpoint_auth_method": "none",
  "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"] }"#;

fn setup() -> Setup {
    Setup::new().provider(&PROVIDER.replace("PORT", "1")).file("/web.json", DOCUMENT)
}

async fn consent_page(browser: &mut Browser<'_>, client: &Client<'_>) -> Answer {
    let page = browser.visit(&client.authorization_url(&[])).await;
    if page.text.contains("name=\"password\"") { browser.sign_in(&page, "ada", PASSWORD).await } else { page }
}

#[tokio::test]
async fn claude_code_signs_in_with_the_built_in_copy_of_its_document() {
    let server = setup().start().await;
    for redirect in ["http://localhost:38123/callback", "http://127.0.0.1:5/callback"] {
        let claude = Client::public(&server, CODE, redirect);
        let mut browser = Browser::new(&server);
        let page = consent_page(&mut browser, &claude).await;
        // The proven host leads, the name that the document claims comes second.
        page.assert_page(200, "claude.ai");
        assert!(page.text.contains("Claude Code") && page.text.contains("on your own computer"));
        let code = browser.decide(&page, "approve").await.redirected_with("code").unwrap();
        let tokens = claude.redeem(&code).await.ok();
        let claims = server.claims(text(&tokens, "access_token"));
        assert_eq!(
            (claims["client_id"].as_str(), claims["aud"].as_str()),
            (Some(CODE), Some(&*server.url("/mcp")))
        );
        claude.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
        // Everybody shares this client id, so the question is asked every time.
        consent_page(&mut browser, &claude).await.assert_page(200, "value=\"approve\"");
        // The chain says how sure we are of the client.
        let exchanged = server.gateway().exchange(text(&tokens, "access_token"), &[]).await.ok();
        let claims = server.claims(text(&exchanged, "access_token"));
        assert_eq!(claims["act"]["act"]["sub"], CODE);
        assert_eq!(claims["act_assurance"], "cimd");
    }
}

#[tokio::test]
async fn a_pinned_document_is_a_client_with_its_redirects_only() {
    let server = setup().start().await;
    let app = Client::public(&server, WEB, "https://apps.example/cb");
    let mut browser = Browser::new(&server);
    let page = consent_page(&mut browser, &app).await;
    page.assert_page(200, "apps.example");
    assert!(!page.text.contains("<i>App</i>") && !page.text.contains('\u{202e}'), "{}", page.text);
    let code = browser.decide(&page, "approve").await.redirected_with("code").unwrap();
    app.redeem(&code).await.ok();
    for redirect in ["https://apps.example/other", "http://localhost/cb", ""] {
        let url = app.with_redirect(redirect).authorization_url(&[]);
        Browser::new(&server).get(&url).await.assert_page(400, "redirect");
    }
}

/// Such a client vouches for itself, so an error never sends a browser there by itself.
#[tokio::test]
async fn errors_are_told_by_a_page_with_a_link() {
    let server = setup().start().await;
    let app = Client::public(&server, WEB, "https://apps.example/cb");
    for changes in
        [[("prompt", "none")], [("scope", "no-such-scope")], [("resource", "https://unknown.example/")]]
    {
        let answer = Browser::new(&server).get(&app.authorization_url(&changes)).await;
        answer.assert_page(400, "https://apps.example/cb?error=");
        assert_eq!(answer.header("location"), None);
    }
}

/// The user agreed to what the document said then.
#[tokio::test]
async fn a_changed_document_is_asked_about_again() {
    let two = DOCUMENT
        .replace("\"https://apps.example/cb\"", "\"https://apps.example/cb\", \"https://apps.example/new\"");
    for changed in [two, DOCUMENT.replace("Friendly", "Unfriendly")] {
        let mut server = setup().file("/changed.json", &changed).start().await;
        let cookies = {
            let app = Client::public(&server, WEB, "https://apps.example/cb");
            let mut browser = Browser::new(&server);
            app.code_in(&mut browser, "ada", &[]).await;
            let again = browser.visit(&app.authorization_url(&[])).await;
            assert!(again.redirected_with("code").is_some(), "{again:#?}");
            browser.cookies.clone()
        };
        server.reconfigure("file:///web.json", "file:///changed.json");
        let mut browser = Browser::new(&server);
        browser.cookies = cookies;
        let app = Client::public(&server, WEB, "https://apps.example/cb");
        browser.visit(&app.authorization_url(&[])).await.assert_page(200, "value=\"approve\"");
    }
}

/// Documents come from listed public hosts; an internal address is never connected to.
#[tokio::test]
async fn documents_from_anywhere_else_are_not_fetched() {
    let canary = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    let server = Setup::new()
        .provider(&PROVIDER.replace("PORT", &port.to_string()))
        .file("/web.json", DOCUMENT)
        .start()
        .await;
    let refused = [
        format!("https://127.0.0.1:{port}/client.json"),
        format!("http://127.0.0.1:{port}/client.json"),
        format!("https://localhost:{port}/client.json"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://claude.ai:22/client.json".to_owned(),
        "https://evil.example/client.json".to_owned(),
        "https://claude.ai.evil.example/client.json".to_owned(),
        "https://claude.ai@evil.example/client.json".to_owned(),
        "https://claude.ai/a/../client.json".to_owned(),
        "https://claude.ai/client.json#".to_owned(),
    ];
    for id in refused {
        let client = Client::public(&server, &id, "https://apps.example/cb");
        let answer = Browser::new(&server).get(&client.authorization_url(&[])).await;
        answer.assert_page(400, "This does not work");
        let asked = crate::client::pairs(&[("grant_type", "refresh_token"), ("refresh_token", "rt_a.1.b")]);
        let answer = client.token(&asked).await;
        // A host that was just asked in vain is not asked again so soon.
        assert!(matches!(answer.error().0, 401 | 503), "{id}: {answer:#?}");
    }
    // What the host itself never said is nobody's last word on the client.
    let client = Client::public(&server, "https://nobody.invalid/client.json", "https://apps.example/cb");
    let asked = crate::client::pairs(&[("grant_type", "refresh_token"), ("refresh_token", "rt_a.1.b")]);
    assert_eq!(client.token(&asked).await.error(), (503, "temporarily_unavailable".to_owned()));
    let answer = Browser::new(&server).get(&client.authorization_url(&[])).await;
    answer.assert_page(503, "try again");
    let knocked = tokio::time::timeout(std::time::Duration::from_millis(50), canary.accept()).await;
    assert!(knocked.is_err(), "an internal address was connected to");
}

#[tokio::test]
async fn without_the_feature_urls_are_unknown_clients() {
    let server = Server::start().await;
    let client = Client::public(&server, CODE, "http://localhost/callback");
    let answer = Browser::new(&server).get(&client.authorization_url(&[])).await;
    answer.assert_page(400, "not known here");
}
