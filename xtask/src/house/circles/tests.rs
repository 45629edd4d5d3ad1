use super::check;
use crate::house::sources::Source;

fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> =
        files.iter().map(|(path, text)| Source::new(format!("crates/x/src/{path}"), text)).collect();
    check(&sources).unwrap()
}

#[test]
fn files_that_import_each_other_are_a_circle() {
    let by_use = [
        ("lib.rs", "mod a;\nmod b;\n"),
        ("a.rs", "use crate::b::B;\npub struct A(B);\n"),
        ("b.rs", "use super::a::A;\npub struct B(Box<A>);\n"),
    ];
    assert_eq!(
        problems(&by_use),
        ["2 files import each other in a circle:
    crates/x/src/a.rs -> crates/x/src/b.rs (B)
    crates/x/src/b.rs -> crates/x/src/a.rs (A)"]
    );
    let over_three = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "pub fn a() { crate::b::b() }\n"),
        ("b.rs", "use crate::c;\npub fn b() { println!(\"{}\", c::C) }\n"),
        ("c.rs", "pub const C: u8 = vec![crate::a::a()].len();\n"),
    ];
    let circles = problems(&over_three);
    assert!(matches!(circles.as_slice(), [circle] if circle.starts_with("3 files")), "{circles:?}");
}

#[test]
fn a_circle_by_way_of_names_that_others_hand_on_is_one() {
    let handed_on = [
        ("lib.rs", "mod a;\nmod b;\npub use b::inner::*;\n"),
        ("a.rs", "use crate::Inner;\npub struct A(Inner);\n"),
        ("b.rs", "pub mod inner;\n"),
        ("b/inner.rs", "use crate::a as other;\npub struct Inner(Box<other::A>);\n"),
    ];
    let circles = problems(&handed_on);
    assert!(
        matches!(circles.as_slice(), [circle] if circle.contains("b/inner.rs -> crates/x/src/a.rs (A)")),
        "{circles:?}"
    );
}

#[test]
fn parents_children_tests_and_other_crates_are_no_circle() {
    let files = [
        ("lib.rs", "mod a;\nuse a::A;\npub struct Root(A);\n"),
        (
            "a.rs",
            "mod child;\nuse std::fmt;\nuse child::Child;\npub struct A(Child, fmt::Error, a::Other);\n",
        ),
        ("a/child.rs", "use super::A;\npub struct Child(Box<A>, crate::Root);\n"),
        ("b.rs", "pub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}\n"),
        ("c.rs", "use crate::b::B;\npub struct C(B);\n"),
    ];
    assert_eq!(problems(&files), [""; 0]);
}
