//! Sessions are no credentials, and end.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::apps::{OPEN, proxy};
use crate::client::{Answer, Legacy, initialize, modern_body, post, send};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

fn what(answer: &Answer) -> (u16, String) {
    (answer.status, answer.without_id())
}

#[tokio::test]
async fn a_session_works_for_the_principal_that_opened_it_only() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Legacy::open(&gateway, "/mcp", "ada", "2025-11-25").await;
    assert!(ada.session.len() >= 22 && ada.session.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    let other = Legacy::open(&gateway, "/mcp", "ada", "2025-11-25").await;
    assert_ne!(ada.session, other.session);

    let unknown = post(&gateway, "/mcp", Some(&ada.token), LIST, &[("mcp-session-id", "never-was")]).await;
    assert_eq!((unknown.status, unknown.error_code(), &unknown.json()["id"]), (404, -32600, &json!(1)));
    let bob = gateway.token("bob");
    let same_user = gateway.token_for("ada", &format!("http://{}/mcp", gateway.address), "another-client");
    for token in [&bob, &same_user] {
        let stolen = post(&gateway, "/mcp", Some(token), LIST, &[("mcp-session-id", &ada.session)]).await;
        assert_eq!(what(&stolen), what(&unknown));
        let ended =
            send(&gateway, Method::DELETE, "/mcp", Some(token), "", &[("mcp-session-id", &ada.session)])
                .await;
        assert_eq!(ended.status, 404);
    }
    let without_token = post(&gateway, "/mcp", None, LIST, &[("mcp-session-id", &ada.session)]).await;
    assert_eq!(without_token.status, 401);
    for twice in [
        [("mcp-session-id", ada.session.as_str()); 2],
        [("mcp-session-id", ada.session.as_str()), ("mcp-session-id", "b")],
    ] {
        let answer = post(&gateway, "/mcp", Some(&ada.token), LIST, &twice).await;
        assert_eq!((answer.status, answer.error_code()), (400, -32020), "{twice:?}");
    }
    assert_eq!(ada.list().await.status, 200);
}

#[tokio::test]
async fn sessions_end_by_delete_and_by_idleness() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Legacy::open(&gateway, "/mcp", "ada", "2025-11-25").await;
    let id = [("mcp-session-id", ada.session.as_str())];
    let ended = send(&gateway, Method::DELETE, "/mcp", Some(&ada.token), "", &id).await;
    assert_eq!((ended.status, ended.text.as_str()), (204, ""));
    assert_eq!(ada.list().await.status, 404);
    assert_eq!(send(&gateway, Method::DELETE, "/mcp", Some(&ada.token), "", &id).await.status, 404);

    let idle = Legacy::open(&gateway, "/mcp", "ada", "2025-11-25").await;
    gateway.clock.advance(Duration::from_secs(3599));
    let fresh = |session| Legacy { gateway: &gateway, path: "/mcp", token: gateway.token("ada"), session };
    let idle = fresh(idle.session);
    assert_eq!(idle.list().await.status, 200);
    gateway.clock.advance(Duration::from_secs(3600));
    assert_eq!(fresh(idle.session).list().await.status, 404);
}

#[tokio::test]
async fn a_session_keeps_the_revision_that_it_negotiated() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Legacy::open(&gateway, "/mcp", "ada", "2025-06-18").await;
    for (version, status) in [("2025-06-18", 200), ("", 200), ("2025-11-25", 400), ("2025-03-26", 400)] {
        let headers = [("mcp-session-id", ada.session.as_str()), ("mcp-protocol-version", version)];
        let answer = post(&gateway, "/mcp", Some(&ada.token), LIST, &headers).await;
        assert_eq!(answer.status, status, "{version}");
    }
    // Versions that are not spoken get the newest of their era.
    for asked in ["2024-11-05", "1999-01-01", "2026-07-28", "2030-01-01", "x"] {
        let answer = post(&gateway, "/mcp", Some(&ada.token), &initialize(asked), &[]).await;
        assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25", "{asked}");
        let result = answer.json()["result"].clone();
        assert_eq!(
            (&result["capabilities"], &result["serverInfo"]["name"]),
            (&json!({"tools": {}}), &json!("gatehouse"))
        );
    }
    for bad in [
        r#""protocolVersion":"2025-11-25""#,
        r#""capabilities":{}"#,
        r#""protocolVersion":7,"capabilities":{}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{{bad}}}}}"#);
        let answer = post(&gateway, "/mcp", Some(&ada.token), &body, &[]).await;
        assert_eq!((answer.error_code(), answer.header("mcp-session-id")), (-32602, None), "{bad}");
    }
    // Outside of a session there is nothing to say in an old revision, in plain JSON-RPC's words.
    for version in ["", "2025-11-25"] {
        let answer =
            post(&gateway, "/mcp", Some(&ada.token), LIST, &[("mcp-protocol-version", version)]).await;
        assert_eq!((answer.status, answer.error_code()), (400, -32600), "{version}");
    }
    // A modern request stands alone, whatever session it names.
    let body = modern_body("tools/list", "", "");
    let headers =
        [("mcp-session-id", "gone"), ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let answer = post(&gateway, "/mcp", Some(&ada.token), &body, &headers).await;
    assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
}

#[tokio::test]
async fn without_sessions_old_messages_stand_alone() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::without_sessions(&proxy("up", &upstream, OPEN)).await;
    let token = gateway.token("ada");
    let answer = post(&gateway, "/mcp", Some(&token), &initialize("2025-11-25"), &[]).await;
    assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
    for version in ["2025-11-25", "2025-06-18", ""] {
        let answer = post(&gateway, "/mcp", Some(&token), LIST, &[("mcp-protocol-version", version)]).await;
        assert_eq!((answer.status, answer.names().len()), (200, 11), "{version}");
    }
    let stray = post(&gateway, "/mcp", Some(&token), LIST, &[("mcp-session-id", "stray")]).await;
    assert_eq!(stray.status, 404);
    let deleted =
        send(&gateway, Method::DELETE, "/mcp", Some(&token), "", &[("mcp-session-id", "stray")]).await;
    assert_eq!((deleted.status, deleted.header("allow")), (405, Some("POST")));
}
