//! Whole policies, and what OPA makes of them.

use serde_json::Value;

use super::compile;
use crate::Outcome;

const CASES: &str = include_str!("opa.txt");

/// What cases that begin with `documents` stand on.
const DOCUMENTS: &str = r#"
a := [1, 2, 3, 4]
b := {"v1": "hello", "v2": "goodbye"}
c := [{"x": [true, false, "foo"], "y": [null, 3.14159], "z": {"p": true, "q": false}}]
f := [{"xs": [1], "ys": [2]}, {"xs": [2], "ys": [3]}]
g := {"a": [1, 0, 0, 0], "b": [0, 2, 0, 0], "c": [0, 0, 0, 4]}
h := [[1, 2, 3], [2, 3, 4]]
strings := {"foo": 1, "bar": 2, "baz": 3}
"#;

struct Case<'a> {
    input: Value,
    rules: Vec<&'a str>,
    expected: &'a str,
}

impl<'a> Case<'a> {
    fn parse(text: &'a str) -> Self {
        let (mut input, mut rules, mut expected) = (Value::Null, Vec::new(), None);
        for line in text.lines() {
            if let Some(json) = line.strip_prefix("input ") {
                input = serde_json::from_str(json).expect(line);
            } else if let Some(value) = line.strip_prefix("=> ") {
                expected = Some(value);
            } else if line == "documents" {
                rules.push(DOCUMENTS);
            } else {
                rules.push(line);
            }
        }
        Self { input, rules, expected: expected.expect(text) }
    }

    /// The value of `p`, or why it has none.
    fn found(&self) -> String {
        let rules = self.rules.join("\n");
        let text = format!(
            "package orchestrator\n{rules}\nresult := {{\"allowed\": true, \"internal_message\": json.marshal(p)}}\n"
        );
        match compile(&text).map(|policy| policy.evaluate_json(&self.input)) {
            Ok(decision) => match decision.outcome {
                Outcome::Allow => decision.internal_message.unwrap(),
                Outcome::Deny(reason) => reason.code().trim_start_matches("policy_").to_owned(),
            },
            Err(error) => error.to_string(),
        }
    }
}

#[test]
fn policies_have_the_values_that_they_have_in_opa() {
    let cases: Vec<Case<'_>> =
        CASES.split("\n\n").filter(|text| !text.starts_with('#')).map(Case::parse).collect();
    assert!(cases.len() > 250, "{}", cases.len());
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    let different: Vec<String> = cases
        .iter()
        .map(|case| (case, case.found()))
        .filter(|(case, found)| match (value(found), value(case.expected)) {
            (Some(found), Some(expected)) => found != expected,
            _ => found != case.expected,
        })
        .map(|(case, found)| {
            format!("{}\n    OPA  {}\n    here {found}", case.rules.join("\n"), case.expected)
        })
        .collect();
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

/// What OPA loads and the engine would understand otherwise, or not at all.
#[test]
fn what_differs_from_opa_is_refused_by_name() {
    let computed = "is defined by its name and by rules of `data.orchestrator.q";
    for (rules, said) in [
        ("q[k] := 1 if k := \"a\"\nq.a := 2 if false\np := q.a", computed),
        ("q[k] := 1 if k := \"a\"\nq.a := 2 if false\np if not q.a", computed),
        ("q[k].r := 1 if k := \"b\"\nq.b.s := 2\np := q.b", computed),
        ("q[k].r := 1 if k := \"b\"\nq.b.s := 2\np := q.b.r", computed),
        ("q[k].r := 1 if k := \"b\"\nq.b.s := 2\np := q[\"b\"].r", computed),
        ("q[k].r := 1 if k := \"b\"\nq.b.s := 2\np := data.orchestrator.q.b.r", computed),
        ("q[k].r := 1 if k := \"b\"\nq.b.s := 2\np := [x | some x in q.b]", computed),
        ("q.a[k].r := 1 if k := \"b\"\nq.a.b.s := 2\nq.c := 5\np := q.a.b.r", computed),
        ("q[k] := 1 if k := \"a\"\nq.a[x] := 2 if x := \"b\"\np := q.a.b", computed),
        ("q[k] contains 1 if k := \"a\"\nq.a contains 2\np := q.a", computed),
        ("q[k] contains 1 if k := \"a\"\nq.a contains 2\nf(x) := x in q.a\np := f(1)", computed),
        (
            "obj.sub[x][x] contains x if some x in [\"one\"]\nobj[x][x] contains x if x := \"two\"\np := obj.sub[_][_]",
            "is defined by its name and by rules of `data.orchestrator.obj`",
        ),
        ("f({\"a\": x}) := x\np := f({\"a\": 1})", "an object in a pattern"),
        ("f([{\"a\": 1}]) := 2\np := f([{\"a\": 1}])", "an object in a pattern"),
        ("p := x if { {\"a\": x} := input.o }", "an object in a pattern"),
        ("p := x if { {\"a\": x} = input.o }", "an object in a pattern"),
        ("p := x if { some x; {\"a\": x} = input.o }", "an object in a pattern"),
        ("p := x if { some {\"a\": x} in input.l }", "an object in a pattern"),
        ("p if { some {\"a\": 1} in input.l }", "an object in a pattern"),
        ("p contains x if input.o = {\"a\": x}", "an object in a pattern"),
        ("p contains x if [{\"a\": {\"c\": 1}}, x] = [input.o, 1]", "an object in a pattern"),
        ("p if { q[{\"a\": x}]; x = 1 }\nq contains input.o", "an object in a pattern"),
        ("p := [x | {\"a\": x} = input.o]", "an object in a pattern"),
        ("p if not [1 | {\"a\": x} = input.o; x > 1]", "an object in a pattern"),
        ("p if {\"a\": 1, \"b\": 2} = {\"a\": v, \"b\": v}", "an object in a pattern"),
        ("p contains x if [x, y] = [y, 2]", "incompatible destructuring patterns"),
        ("p if [1, 2, x] = [1, 2]", "mismatch in number of array elements"),
        ("p := $\"foo {input.x}\"", "template strings"),
        ("p := x if {\n\tx := $`raw`\n}", "template strings"),
        ("f(_) := 2\np := y if { y = f([1]) with f as count }", "`count`"),
        (
            "xs := {\"a\"}\np := x if { y := {x | xs[x]}; x := count(y) }",
            "var `x` used before definition below",
        ),
    ] {
        let result = "result := {\"allowed\": true} if p";
        let error = compile(&format!("package orchestrator\n{rules}\n{result}\n")).expect_err(rules);
        assert!(error.message.contains(said) && error.line.is_some(), "{rules}: {error}");
    }
    let options = crate::PolicyOptions { entry: "verdict.final".into(), ..crate::PolicyOptions::default() };
    let text = "package orchestrator\nverdict[k] := {\"allowed\": false} if k := \"final\"\nverdict.final := {\"allowed\": true} if input.ok\n";
    let source = crate::PolicySource { name: "p".into(), text: text.into() };
    let error = crate::Policy::compile(&source, &options).expect_err(text);
    assert!(error.message.contains("`data.orchestrator.verdict.final` is defined by its name"), "{error}");
    // A dollar in a text or a comment is none.
    compile("package orchestrator\n# $\"x\"\nresult := {\"allowed\": regex.match(`^a$`, \"$\")}\n").unwrap();
}
