use super::{Offered, OfferedPage};

#[test]
fn a_page_is_read_for_what_lists_show() {
    let page = OfferedPage::parse(
        br#"{"data":[{"type":"model","id":"claude-a","display_name":"A","created_at":"2026-01-01T00:00:00Z",
            "max_input_tokens":200000,"capabilities":{"x":{"supported":true}}},{"id":"claude-b"},
            {"id":""},{"id":7},{"name":"no id"},7,{"id":"bad\u0000id"}],"has_more":true,"first_id":"claude-a","last_id":"claude-b"}"#,
    )
    .unwrap();
    let a = Offered {
        id: "claude-a".into(),
        display_name: Some("A".into()),
        created_at: Some("2026-01-01T00:00:00Z".into()),
        max_input_tokens: Some(200_000),
    };
    assert_eq!(page.models, [a, Offered { id: "claude-b".into(), ..Offered::default() }]);
    assert_eq!(page.next.as_deref(), Some("claude-b"));
}

#[test]
fn the_last_page_has_none_after_it() {
    for tail in [
        "",
        r#","has_more":false,"last_id":"x""#,
        r#","has_more":null,"last_id":null"#,
        r#","has_more":true"#,
    ] {
        let page = OfferedPage::parse(format!("{{\"data\":[]{tail}}}").as_bytes()).unwrap();
        assert_eq!(page.next, None, "{tail}");
    }
    for wrong in ["", "{}", "[]", "<html>", r#"{"data":{}}"#] {
        assert!(OfferedPage::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
