use super::Source;

fn problems(path: &str, text: &str) -> Vec<String> {
    Source::new(path.into(), text).problems()
}

#[test]
fn names_that_say_nothing_are_refused() {
    assert_eq!(problems("crates/io/edge/src/utils.rs", "").len(), 1);
    assert_eq!(problems("crates/io/edge/src/door/mod.rs", "").len(), 1);
    assert_eq!(problems("crates/io/edge/src/door.rs", ""), [""; 0]);
}

#[test]
fn pure_crates_do_no_io() {
    assert_eq!(
        problems("crates/pure/mcp/src/era.rs", "use std::net::IpAddr;\nuse std::fs::File;\n"),
        ["crates/pure/mcp/src/era.rs:2: `std::fs` in a pure crate; take it as an argument"]
    );
    assert_eq!(problems("crates/io/edge/src/era.rs", "use std::fs::File;"), [""; 0]);
    assert_eq!(
        problems("crates/pure/mcp/src/era.rs", "// like std::fs\n#[cfg(test)]\nmod tests { std::fs }"),
        [""; 0]
    );
}
