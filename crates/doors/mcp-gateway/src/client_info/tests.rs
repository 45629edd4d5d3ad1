use serde_json::json;
use serde_json::value::RawValue;

use super::{ClientInfo, Introduced, LARGEST};

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap()
}

#[test]
fn keeps_no_more_than_its_text() {
    let nested = format!("{{\"a\":[{}[]]}}", "[],".repeat(1_300));
    let info = ClientInfo::new(&raw(nested.clone())).unwrap();
    assert_eq!(&*info.0, nested);
    assert_eq!(std::mem::size_of::<ClientInfo>(), 2 * std::mem::size_of::<usize>());
    let value = Introduced::from(Some(info));
    assert_eq!(value.value().unwrap()["a"].as_array().unwrap().len(), 1_301);
}

#[test]
fn is_bounded() {
    let padded = |spaces: usize| raw(format!("{{\"a\":{}1}}", " ".repeat(spaces)));
    assert!(ClientInfo::new(&padded(LARGEST - 7)).is_some());
    assert!(ClientInfo::new(&padded(LARGEST - 6)).is_none());
    assert_eq!(Introduced::default().value(), None);
    let info = ClientInfo::new(&raw(r#"{"name":"cli"}"#.to_owned()));
    assert_eq!(Introduced::from(info).value(), Some(&json!({"name": "cli"})));
}
