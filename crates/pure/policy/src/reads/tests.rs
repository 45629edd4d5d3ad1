use std::collections::BTreeSet;

use super::*;
use crate::{Policy, PolicyOptions, PolicySource};

/// The paths that a policy with these lines after its package sees, `*` for everything below.
fn seen(rules: &str) -> BTreeSet<String> {
    let text = format!("package orchestrator\n{rules}\n");
    let source = PolicySource { name: "test".into(), text };
    let policy = Policy::compile(&source, &PolicyOptions::default()).unwrap();
    let mut found = BTreeSet::new();
    list(policy.reads(), "", &mut found);
    found
}

fn list(reads: &Reads, path: &str, found: &mut BTreeSet<String>) {
    match reads {
        Reads::All => {
            found.insert(format!("{path}*"));
        }
        Reads::Members(members) => {
            for (name, below) in members {
                list(below, &format!("{path}{name}."), found);
            }
        }
    }
}

fn paths<const N: usize>(expected: [&str; N]) -> BTreeSet<String> {
    expected.map(str::to_owned).into()
}

#[test]
fn names_written_out_are_followed_to_their_end() {
    let rules =
        r#"result := {"allowed": input.source.ip == "10.0.0.1", "external_message": input.user["id"]}"#;
    assert_eq!(seen(rules), paths(["source.ip.*", "user.id.*"]));
    let header = r#"result := {"allowed": true} if input.request.http.headers["X-Team"] == "a""#;
    assert_eq!(seen(header), paths(["request.http.headers.X-Team.*"]));
    assert_eq!(seen(r#"result := {"allowed": true}"#), paths([]));
}

#[test]
fn a_computed_name_is_everything_below() {
    let rules = r#"
        key := input.revision
        result := {"allowed": true} if input.user.claims[key] == 1
        result := {"allowed": false} if { some name; input.request[name].method == "POST" }"#;
    assert_eq!(seen(rules), paths(["revision.*", "user.claims.*", "request.*"]));
    assert_eq!(seen(r#"result := {"allowed": true} if count(input) > 1"#), paths(["*"]));
    assert_eq!(
        seen(r#"result := {"allowed": true} if { walk(input.user, [_, v]); v == 1 }"#),
        paths(["user.*"])
    );
    assert_eq!(seen(r#"result := {"allowed": true} if { x := input; x.user.id == "a" }"#), paths(["*"]));
}

#[test]
fn every_place_of_a_rule_is_looked_at() {
    let places = [
        r#"default result := {"allowed": false}
           result := {"allowed": true} if { every g in input.user.groups { g == input.user.id } }"#,
        r#"result := {"allowed": x} if x := [y | some y in input.user.groups; y == input.user.id][0]"#,
        r#"f(x) := input.user.groups if x == input.user.id
           result := {"allowed": true} if f("a") == []"#,
        r#"f(input.user.id) := 1
           result := {"allowed": true} if f(input.user.groups) == 1"#,
        r#"part[input.user.id] := input.user.groups
           result := {"allowed": true} if part.a == 1"#,
        r#"part contains input.user.id if input.user.groups
           result := {"allowed": true} if part.a"#,
        r#"result := {"allowed": true} if { input.user.id == 1 } else := {"allowed": input.user.groups}"#,
        r#"result := {"allowed": true} if { not input.user.id in input.user.groups }"#,
        r#"result := {"allowed": true} if { some input.user.id, x in input.user.groups }"#,
        r#"result := {"allowed": {input.user.id: 1} == {"a" | input.user.groups}}"#,
        r#"result := {"allowed": true} if { -input.user.id + 1 > 2 * count(input.user.groups) }"#,
        r#"g(_) := 1
           f(_) := 3
           result := {"allowed": f(1)} if { input.user.groups; f(1) == 2 with f as g[input.user.id] }"#,
        "import input.user.id
         import input.user.groups as teams
         result := {\"allowed\": id in teams}",
    ];
    for rules in places {
        assert_eq!(seen(rules), paths(["user.id.*", "user.groups.*"]), "{rules}");
    }
    // What stands in for a part of the input is read; the part itself only where a rule reads it.
    let replaced = r#"result := {"allowed": true} if { part == 1 with input.user.id as input.user.groups }"#;
    assert_eq!(seen(&format!("part := 1\n{replaced}")), paths(["user.groups.*"]));
    assert_eq!(seen(&format!("part := input.user.id\n{replaced}")), paths(["user.id.*", "user.groups.*"]));
    assert_eq!(seen("import input as request\nresult := {\"allowed\": request.user.id}"), paths(["*"]));
}

#[test]
fn a_part_swallows_its_parts() {
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let mut reads = Reads::NOTHING;
    reads.add(&path("a.b.c"));
    reads.add(&path("a.b"));
    reads.add(&path("a.b.d"));
    reads.add(&path("a.e"));
    assert_eq!(reads.member("a").and_then(|a| a.member("b")), Some(&Reads::All));
    assert_eq!(reads.member("a").and_then(|a| a.member("b")).and_then(|b| b.member("x")), Some(&Reads::All));
    assert!(reads.member("a").and_then(|a| a.member("f")).is_none() && reads.member("e").is_none());
    reads.add(&[]);
    assert_eq!(reads, Reads::All);
}

#[test]
fn what_is_seen_of_a_person_has_names_or_has_none() {
    let seen = |rules: &str| {
        let text = format!("package orchestrator\n{rules}\n");
        let source = PolicySource { name: "test".into(), text };
        let policy = Policy::compile(&source, &PolicyOptions::default()).unwrap();
        match policy.user_attributes_seen() {
            Seen::Everything => None,
            Seen::Members(mut names) => {
                names.sort_unstable();
                Some(names.join(" "))
            }
        }
    };
    assert_eq!(seen(r#"result := {"allowed": input.source.ip == "x"}"#).as_deref(), Some(""));
    let two = r#"result := {"allowed": input.user.claims.left} if input.user.claims["unit"].name == "a""#;
    assert_eq!(seen(two).as_deref(), Some("left unit"));
    for groups in
        [r#""x" in input.user.groups"#, "input.user.groups_complete", "input.user[\"groups\"][_] == 1"]
    {
        let rules = format!(r#"result := {{"allowed": input.user.claims.unit == 1}} if {groups}"#);
        assert_eq!(seen(&rules).as_deref(), Some("groups unit"), "{groups}");
    }
    for everything in
        ["input.user.claims[input.revision]", "count(input.user.claims)", "count(input.user)", "count(input)"]
    {
        assert_eq!(seen(&format!(r#"result := {{"allowed": {everything} == 1}}"#)), None, "{everything}");
    }
}
