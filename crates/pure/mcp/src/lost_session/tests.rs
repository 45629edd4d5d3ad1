use super::*;

fn error(code: i64, message: &str) -> String {
    serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } })
        .to_string()
}

#[test]
fn dialects_of_a_lost_session() {
    for (status, body) in [
        (404, String::new()),
        (404, error(-32001, "Session not found")),
        (410, "Gone".to_owned()),
        (400, error(-32000, "Bad Request: No valid session ID provided")),
        (400, error(-32000, "Bad Request: Server not initialized")),
        (400, error(-32600, "Session not found")),
        (400, error(-32602, "Invalid session ID")),
        (400, "Invalid session ID".to_owned()),
        (400, "Bad Request: Missing session ID\n".to_owned()),
        (400, "No valid session ID provided".to_owned()),
        (400, r#"{"error":"unknown session"}"#.to_owned()),
        (400, r#"{"error":{"code":"session_expired","message":"The session has expired"}}"#.to_owned()),
        (400, "<html><body>Mcp-Session-Id header is required</body></html>".to_owned()),
        (401, "Unauthorized: Session not found".to_owned()),
        (403, "session terminated".to_owned()),
        (422, r#"{"detail":"Session does not exist"}"#.to_owned()),
    ] {
        assert!(is_lost(status, body.as_bytes()), "{status} {body}");
    }
}

#[test]
fn what_is_no_lost_session() {
    for (status, body) in [
        (400, String::new()),
        (400, "Bad Request".to_owned()),
        (400, error(-32602, "Unknown tool: session_list")),
        (400, error(-32602, "The argument `name` is missing")),
        (400, "The session is fine. The argument is invalid".to_owned()),
        (401, r#"{"error":"invalid_token"}"#.to_owned()),
        (403, "Forbidden".to_owned()),
        (200, error(-32001, "Session not found")),
        (500, "Session not found".to_owned()),
        (502, "session closed".to_owned()),
        (429, "too many sessions; session limit required".to_owned()),
        (400, r#"{"jsonrpc":"2.0","id":1,"result":{"text":"session not found"}}"#.to_owned()),
    ] {
        assert!(!is_lost(status, body.as_bytes()), "{status} {body}");
    }
}
