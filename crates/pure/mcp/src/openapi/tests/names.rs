//! Names of operations that would fall together.

use serde_json::{Value, json};

use super::compiled;

fn names(operations: &[(&str, &str, Option<&str>)]) -> Vec<(String, String)> {
    let mut paths = json!({});
    for (method, path, id) in operations {
        let mut operation = json!({ "responses": {} });
        if let Some(id) = id {
            operation["operationId"] = json!(id);
        }
        paths[*path][*method] = operation;
    }
    let bridge = compiled(&paths, &Value::Null);
    assert!(bridge.refused.is_empty(), "{:?}", bridge.refused);
    assert_eq!(bridge.tools.len(), operations.len());
    let named = bridge
        .tools
        .iter()
        .map(|tool| (format!("{} {}", tool.method(), tool.path_template()), tool.tool().name().to_owned()));
    let mut named: Vec<(String, String)> = named.collect();
    named.sort();
    named
}

#[test]
fn operations_whose_names_fall_together_are_all_there() {
    let long = "a".repeat(64);
    let (long_one, long_two) = (format!("{long}One"), format!("{long}Two"));
    let found = names(&[
        ("get", "/1", Some("users.list")),
        ("get", "/2", Some("users/list")),
        ("get", "/3", Some("users_list")),
        ("get", "/4", Some(&long_one)),
        ("get", "/5", Some(&long_two)),
        ("get", "/6", Some("\u{7528}\u{6237}")),
        ("get", "/7", Some("\u{8a02}\u{55ae}")),
        ("get", "/8", Some("twice")),
        ("post", "/8", Some("twice")),
        ("get", "/a/b", None),
        ("get", "/a_b", None),
        ("get", "/9", Some("  ")),
    ]);
    let name = |operation: &str| {
        found.iter().find(|(known, _)| known == operation).map(|(_, name)| name.clone()).unwrap()
    };
    assert_eq!(name("GET /3"), "users_list", "the one whose name it is");
    assert_eq!((name("GET /6"), name("GET /9")), ("get_6".to_owned(), "get_9".to_owned()));
    for (operation, start) in [
        ("GET /1", "users_list_"),
        ("GET /2", "users_list_"),
        ("GET /4", "aaaaaaaa"),
        ("GET /5", "aaaaaaaa"),
        ("GET /8", "twice_"),
        ("POST /8", "twice_"),
        ("GET /a/b", "get_a_b_"),
        ("GET /a_b", "get_a_b_"),
    ] {
        let name = name(operation);
        assert!(name.starts_with(start) && name.len() <= 64, "{operation}: {name}");
        let digest = name.rsplit('_').next().unwrap();
        assert!(digest.len() == 10 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
    let mut distinct: Vec<&String> = found.iter().map(|(_, name)| name).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), found.len());
}

#[test]
fn names_depend_on_no_order_and_pass_to_nobody() {
    let both = [("get", "/1", Some("users.list")), ("get", "/2", Some("users/list"))];
    let turned = [both[1], both[0]];
    assert_eq!(names(&both), names(&turned));
    let (alone, together) = (names(&both[..1]), names(&both));
    assert_eq!(alone[0].1, "users_list");
    assert!(together.iter().all(|(_, name)| name != "users_list"), "nobody takes it over: {together:?}");
    // A name that was cut keeps its digest, whoever is there beside it.
    let long = "b".repeat(70);
    assert_eq!(names(&[("get", "/1", Some(&long))])[0], names(&[("get", "/1", Some(&long)), both[1]])[0]);
}
