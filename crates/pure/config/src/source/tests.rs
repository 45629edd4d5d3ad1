use std::sync::Arc;

use proptest::prelude::*;

use super::{MAX_BYTES, Source, yaml};
use crate::problem::Report;
use crate::source::node::Node;

fn parse(text: &str) -> Result<Node, String> {
    let mut report = Report::new(&Arc::from("f"));
    let node = yaml::parse(&Source::new("f", text), &mut report);
    let failed = report.has_errors();
    let printed: Vec<String> = report.into_problems().iter().map(ToString::to_string).collect();
    match node {
        Some(node) if !failed => Ok(node),
        _ => Err(printed.join("\n")),
    }
}

#[test]
fn keeps_where_keys_and_values_stand() {
    let text = "a:\n  - b: 1\n    ключ: \"x\"\n";
    let printed = format!("{:?}", parse(text).unwrap());
    assert!(printed.contains("Location { line: 2, column: 5 }"), "{printed}");
    assert!(printed.contains("Location { line: 3, column: 11 }"), "columns count characters: {printed}");
}

#[test]
fn refuses_what_yaml_allows_and_people_do_not_expect() {
    let cases = [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "f:4:3: b.c: duplicate key `c`, first written on line 3"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "f:3:3: c: merge keys (`<<`) are not accepted (repeat the keys)"),
        ("a: !!binary aGk=\n", "f:1:13: a: tags such as `tag:yaml.org,2002:binary` are not accepted"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second YAML document in the file; one file holds one configuration"),
        ("", "f:1:1: the file is empty"),
        ("? [1, 2]\n: 3\n", "a key must be text"),
    ];
    for (text, expected) in cases {
        let found = parse(text).unwrap_err();
        assert!(found.contains(expected), "{text:?} gave {found:?}");
    }
}

#[test]
fn aliases_cannot_blow_the_file_up() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let previous = format!("*a{}", level - 1);
        let items = [previous.as_str(); 10].join(",");
        bomb = format!("{bomb}a{level}: &a{level} [{items}]\n");
    }
    let found = parse(&bomb).unwrap_err();
    assert!(found.contains("aliases make the file more than 10 times larger"), "{found}");
    assert!(parse("a: &x {b: 1}\nc: *x\nd: *x\n").is_ok());
    assert!(parse("a: &x [*x]\n").is_err());
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!("a: {}{}", "[".repeat(70), "]".repeat(70));
    assert!(parse(&deep).unwrap_err().contains("nested deeper than 64 levels"));
    let deeper = "- ".repeat(100_000);
    assert!(parse(&deeper).is_err());
    let large = format!("a: \"{}\"", "x".repeat(MAX_BYTES));
    assert_eq!(parse(&large).unwrap_err(), format!("f:1:1: the file is larger than {MAX_BYTES} bytes"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,&*!|>'\"%@`#?\\- \\n\\ta-c0-9]{0,200}") {
        drop(parse(&text));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut report = Report::new(&Arc::from("f"));
        drop(yaml::parse(&Source::new("f", bytes), &mut report));
    }
}
