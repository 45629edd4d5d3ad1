use serde_json::{Value, json};

use super::{ErrorType, RetryAdvice, envelope, is_of_type, with_request_id};

#[test]
fn the_envelope_is_the_apis() {
    let parsed: Value =
        serde_json::from_str(&envelope(ErrorType::Overloaded, "say \"no\"", "req_1")).unwrap();
    let expected = json!({
        "type": "error",
        "error": {"type": "overloaded_error", "message": "say \"no\""},
        "request_id": "req_1",
    });
    assert_eq!(parsed, expected);
}

#[test]
fn types_and_statuses_agree_both_ways() {
    for error in ErrorType::ALL {
        assert_eq!(ErrorType::of_status(error.http_status()), error);
    }
    for (status, error) in [
        (405, ErrorType::InvalidRequest),
        (411, ErrorType::InvalidRequest),
        (415, ErrorType::InvalidRequest),
        (408, ErrorType::Timeout),
        (502, ErrorType::Api),
        (503, ErrorType::Overloaded),
        (302, ErrorType::Api),
    ] {
        assert_eq!(ErrorType::of_status(status), error, "{status}");
    }
}

#[test]
fn a_refused_credential_is_not_retried_and_an_overload_may_be() {
    assert_eq!(ErrorType::Authentication.retry_advice().header_value(), Some("false"));
    assert_eq!(ErrorType::InvalidRequest.retry_advice(), RetryAdvice::Pointless);
    for error in [ErrorType::RateLimit, ErrorType::Overloaded, ErrorType::Api, ErrorType::Timeout] {
        assert_eq!(error.retry_advice().header_value(), None, "{error}");
    }
}

#[test]
fn a_providers_error_gets_our_request_id_and_keeps_every_other_byte() {
    let theirs = "{ \"type\":\"error\", \"z\":1e400,\n \"request_id\" : \"req_011\",\"error\":{\"request_id\":\"x\",\"message\":\"é\"}}";
    assert_eq!(with_request_id(theirs, "req_ours").unwrap(), theirs.replace("\"req_011\"", "\"req_ours\""));
    assert_eq!(with_request_id("{\"request_id\":null}", "a\"b").unwrap(), "{\"request_id\":\"a\\\"b\"}");
    for other in
        ["{}", "[]", "", "{\"request_id\":1", "{\"request_id\":1,\"request_id\":2}", "\"request_id\""]
    {
        assert_eq!(with_request_id(other, "req_ours"), None, "{other}");
    }
}

#[test]
fn errors_are_told_by_their_type_and_by_nothing_else() {
    let body = envelope(ErrorType::NotFound, "model: x", "req_1");
    assert!(is_of_type(&body, ErrorType::NotFound) && !is_of_type(&body, ErrorType::Api));
    for other in [
        "",
        "Not Found",
        "{}",
        r#"{"error":{"type":"not_found_error"}}"#,
        r#"{"type":"error","error":"not_found_error"}"#,
    ] {
        assert!(!is_of_type(other, ErrorType::NotFound), "{other}");
    }
}
