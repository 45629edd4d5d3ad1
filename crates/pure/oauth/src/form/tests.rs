use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Form, FormError> {
    Form::parse(text.as_bytes())
}

#[test]
fn decodes_plus_and_percent() {
    let form = parse("scope=openid+email&state=%26%23%00%C3%A9&empty=&flag").unwrap();
    assert_eq!(form.one("scope"), Some("openid email"));
    assert_eq!(form.one("state"), Some("&#\0\u{e9}"));
    assert_eq!(form.one("empty"), None);
    assert_eq!(form.one("flag"), None);
}

#[test]
fn what_was_sent_empty_was_not_sent() {
    let form = parse("request=&scope=&scope=a&state&state=b&state=&resource=&resource=r").unwrap();
    assert_eq!(form.one("request"), None);
    assert_eq!((form.one("scope"), form.one("state")), (Some("a"), Some("b")));
    assert_eq!(form.all("resource").collect::<Vec<_>>(), ["r"]);
    assert_eq!(format!("{form:?}"), r#"{"scope", "state", "resource"}"#);
    let many = "x=&".repeat(MAX_PARAMETERS + 1);
    assert_eq!(parse(&many).unwrap_err(), FormError::TooMany, "they are read all the same");
}

#[test]
fn a1_only_resource_and_audience_may_repeat() {
    let form = parse("resource=a&resource=b&audience=c&audience=d").unwrap();
    assert_eq!(form.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    for twice in
        ["client_id=a&client_id=a", "x=1&x=&x=1", "scope=a&sc%6fpe=b", "client_id=a&resource=r&client_id=b"]
    {
        assert!(matches!(parse(twice), Err(FormError::Duplicate(_))), "{twice}");
    }
}

#[test]
fn ac39_lax_encodings_are_refused() {
    assert_eq!(parse("a=%2").unwrap_err(), FormError::Percent(2));
    assert_eq!(parse("a=%zz").unwrap_err(), FormError::Percent(2));
    assert_eq!(parse("a=%+1").unwrap_err(), FormError::Percent(2));
    assert_eq!(parse("a=b c").unwrap_err(), FormError::BareByte { byte: b' ', offset: 3 });
    assert_eq!(parse("a=%ff").unwrap_err(), FormError::Utf8(1));
    assert!(matches!(parse("a=\u{e9}"), Err(FormError::BareByte { .. })));
}

#[test]
fn t1_bodies_are_bounded() {
    assert!(parse(&format!("a={}", "x".repeat(MAX_BYTES - 2))).is_ok());
    assert!(matches!(parse(&format!("a={}", "x".repeat(MAX_BYTES - 1))), Err(FormError::TooLong(..))));
    let many = |n: usize| (0..n).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
    assert!(parse(&many(MAX_PARAMETERS)).is_ok());
    assert_eq!(parse(&many(MAX_PARAMETERS + 1)).unwrap_err(), FormError::TooMany);
}

#[test]
fn debug_shows_no_values() {
    assert_eq!(format!("{:?}", parse("client_secret=hunter2").unwrap()), r#"{"client_secret"}"#);
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Form::parse(&bytes);
    }

    #[test]
    fn reads_back_what_an_encoder_writes(value in "\\PC{1,40}") {
        let encoded = url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>();
        let form = parse(&format!("v={encoded}")).unwrap();
        prop_assert_eq!(form.one("v"), Some(value.as_str()));
    }
}
