//! The userinfo endpoint.

use http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::answer::{Answer, send};
use crate::client::text;
use crate::server::Server;

pub(crate) async fn get(server: &Server, authorization: &[&str]) -> Answer {
    ask(server, Request::get("/oauth2/userinfo"), authorization, "").await
}

async fn ask(
    server: &Server,
    mut request: http::request::Builder,
    authorization: &[&str],
    body: &str,
) -> Answer {
    request = request.header("host", server.address.to_string());
    for value in authorization {
        request = request.header("authorization", *value);
    }
    send(server.address, request.body(Full::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_claims_are_those_that_the_scopes_open() {
    let server = Server::start().await;
    let tokens = server.portal().tokens_for("ada", &[("scope", "openid email")]).await;
    let bearer = format!("Bearer {}", text(&tokens, "access_token"));
    let expected = json!({ "sub": "ada", "email": "ada@example.com" });
    assert_eq!(get(&server, &[&bearer]).await.ok(), expected);
    let posted =
        ask(&server, Request::post("/oauth2/userinfo"), &[&bearer.replace("Bearer", "bearer")], "").await;
    assert_eq!(posted.ok(), expected);
    assert_eq!(posted.header("cache-control"), Some("no-store"));
    let reads: Vec<_> =
        server.records.all().into_iter().filter(|record| record["event"] == "userinfo.read").collect();
    assert_eq!(reads.len(), 2, "each reading leaves a record: {reads:#?}");
    let jti = server.claims(text(&tokens, "access_token"))["jti"].clone();
    for record in reads {
        let (actor, outcome) = (&record["actor"], &record["outcome"]);
        assert_eq!(
            (&actor["sub"], &actor["client_id"], outcome),
            (&json!("ada"), &json!("portal"), &json!("allow"))
        );
        assert_eq!((&actor["jti"], &record["result"]["status"]), (&jti, &json!(200)), "{record:#}");
        assert!(!record.to_string().contains("ada@example.com"), "who, not what: {record:#}");
    }
}

#[tokio::test]
async fn only_live_tokens_with_openid_in_the_header_count() {
    let server = Server::start().await;
    let tokens = server.portal().tokens_for("ada", &[("scope", "openid email")]).await;
    let access = text(&tokens, "access_token");
    let challenge = |answer: &Answer| answer.header("www-authenticate").unwrap().to_owned();

    let none = get(&server, &[]).await;
    assert_eq!((none.status, challenge(&none).as_str()), (401, "Bearer"));
    let form = Request::post("/oauth2/userinfo").header("content-type", "application/x-www-form-urlencoded");
    let in_body = ask(&server, form, &[], &format!("access_token={access}")).await;
    assert_eq!(in_body.status, 401);
    let in_url = ask(&server, Request::get(format!("/oauth2/userinfo?access_token={access}")), &[], "").await;
    assert_eq!(in_url.status, 401);

    let bad = [text(&tokens, "id_token"), text(&tokens, "refresh_token"), "x", "", "a.b.c"];
    for token in bad {
        let answer = get(&server, &[&format!("Bearer {token}")]).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(challenge(&answer).starts_with("Bearer error=\"invalid_token\""), "{token}: {answer:#?}");
    }
    let good = format!("Bearer {access}");
    let twice = get(&server, &[&good, "Bearer other"]).await;
    assert!(matches!(twice.status, 400 | 401), "{twice:#?}");

    let narrow = server.portal().tokens_for("ada", &[("scope", "tools:use")]).await;
    let answer = get(&server, &[&format!("Bearer {}", text(&narrow, "access_token"))]).await;
    assert_eq!(answer.error(), (403, "insufficient_scope".into()));
    let record = server.records.with_reason("insufficient_scope").await;
    assert_eq!((&record["event"], &record["actor"]["sub"]), (&json!("credential.refused"), &json!("ada")));
    assert!(challenge(&answer).contains("error=\"insufficient_scope\""));

    server.clock.advance(std::time::Duration::from_secs(900));
    assert_eq!(get(&server, &[&good]).await.status, 401);
}

#[tokio::test]
async fn tokens_of_those_who_act_for_the_user_open_nothing() {
    let server = Server::start().await;
    let tokens = server.cli().tokens_for("ada", &[("scope", "openid email tools:use")]).await;
    let exchanged =
        server.gateway().exchange(text(&tokens, "access_token"), &[("scope", "openid")]).await.ok();
    let answer = get(&server, &[&format!("Bearer {}", text(&exchanged, "access_token"))]).await;
    assert_eq!(answer.error(), (401, "invalid_token".into()));
    server.records.with_reason("token_delegated").await;
    // The user's own client still learns who the user is.
    get(&server, &[&format!("Bearer {}", text(&tokens, "access_token"))]).await.ok();
}
