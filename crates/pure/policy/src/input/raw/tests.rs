use proptest::prelude::{Strategy as _, any, proptest};
use proptest::strategy::{BoxedStrategy, Just, Union};
use regorus::Value;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::{each_member, to_rego};
use crate::builtin;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn documents() -> BoxedStrategy<Json> {
    let leaf = Union::new([
        Just(Json::Null).boxed(),
        any::<bool>().prop_map(Json::from).boxed(),
        any::<i64>().prop_map(Json::from).boxed(),
        any::<u64>().prop_map(Json::from).boxed(),
        any::<f64>().prop_map(Json::from).boxed(),
        any::<String>().prop_map(Json::from).boxed(),
    ]);
    leaf.prop_recursive(4, 64, 8, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..8).prop_map(Json::from);
        let object = proptest::collection::btree_map(any::<String>(), inner, 0..8)
            .prop_map(|members| Json::Object(members.into_iter().collect()));
        Union::new([list.boxed(), object.boxed()])
    })
    .boxed()
}

proptest! {
    #[test]
    fn text_and_its_parsed_form_are_the_same_to_policies(document in documents()) {
        let text = document.to_string();
        // What the parser makes of the text, which may be the double beside the one that was written.
        let parsed: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(to_rego(&raw(&text)), builtin::to_rego(&parsed));
    }
}

#[test]
fn a_number_that_no_double_holds_is_null() {
    assert_eq!(to_rego(&raw("1e400")), Value::Null);
    assert_eq!(to_rego(&raw("12345678901234567890123")), Value::from(12_345_678_901_234_567_890_123_f64));
}

#[test]
fn members_are_told_in_their_order_under_their_decoded_names() {
    let mut told = Vec::new();
    each_member(Some(&raw(r#"{"b":[1],"\u0061":{"c":2}}"#)), &mut |name, value| {
        told.push((name.to_owned(), serde_json::from_str::<Json>(value.get()).unwrap()));
    });
    assert_eq!(told, [("b".to_owned(), json!([1])), ("a".to_owned(), json!({"c": 2}))]);
    for no_object in [None, Some(raw("[1]")), Some(raw("7"))] {
        each_member(no_object.as_deref(), &mut |_, _| panic!("no members"));
    }
}
