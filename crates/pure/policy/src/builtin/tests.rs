use super::*;

#[test]
fn the_table_agrees_with_the_engine() {
    for builtin in TABLE {
        // What the engine does not have.
        if ["net.cidr_intersects", "net.cidr_merge", "net.cidr_contains_matches", "io.jwt.decode"]
            .contains(&builtin.name)
        {
            assert!(!BUILTINS.contains_key(builtin.name), "{}", builtin.name);
            continue;
        }
        let (_, arity) =
            BUILTINS.get(builtin.name).unwrap_or_else(|| panic!("{} is not in the engine", builtin.name));
        assert_eq!(*arity, builtin.arity, "{}", builtin.name);
    }
}

/// The engine would run its own function of that name, unguarded, random or with a clock.
#[test]
fn no_rule_opens_a_way_past_the_table() {
    use crate::{Policy, PolicyErrorKind, PolicyOptions, PolicySource};
    let refused = ["rand.intn", "http.send", "opa.runtime", "uuid.rfc4122", "json.patch", "trace"];
    let (mut found, mut unwritable) = (0, 0);
    for name in BUILTINS.keys().copied().chain(TABLE.iter().map(|builtin| builtin.name)).chain(refused) {
        let arity = BUILTINS.get(name).map_or(1, |(_, arity)| usize::from(*arity));
        let call = format!("{name}({})", vec!["1"; arity].join(", "));
        for declared in [
            format!("{name} := 1"),
            format!("default {name} := 1"),
            format!("import data.orchestrator.value as {name}\nvalue := 1"),
        ] {
            let text = format!("package orchestrator\n{declared}\nresult := {{\"allowed\": {call} == 1}}\n");
            let source = PolicySource { name: "p".into(), text };
            match Policy::compile(&source, &PolicyOptions::default()) {
                Err(error) if error.kind == PolicyErrorKind::Function => found += 1,
                // An alias is one name, and some names are keywords.
                Err(error) if error.kind == PolicyErrorKind::Syntax => unwritable += 1,
                other => panic!("{}: {other:?}", source.text),
            }
        }
    }
    assert!(found > 200 && unwritable < found, "{found} {unwritable}");
}

#[test]
fn values_that_repeat_themselves_are_not_walked_to_the_end() {
    let doubled = (0..60).fold(Value::from(1_i64), |value, _| Value::from(vec![value.clone(), value]));
    let meter = Meter::new(0);
    assert_eq!(Guard::Linear.check(&[doubled], &meter), Err(Exceeded::Arguments));
}

#[test]
fn memory_adds_up_over_calls() {
    let meter = Meter::new(0);
    let text = Value::from("x".repeat(900_000));
    let mut calls = 0;
    while Guard::Linear.check(std::slice::from_ref(&text), &meter).is_ok() {
        calls += 1;
    }
    assert!((10..40).contains(&calls), "{calls}");
}

/// Calls and what OPA makes of them, one a line.
const OPA: &str = include_str!("tests/opa.txt");

/// The same from OPA's own test cases.
const OPA_CASES: &str = include_str!("tests/opa_cases.txt");

#[test]
fn calls_have_the_values_that_they_have_in_opa() {
    use crate::{Outcome, Policy, PolicyOptions, PolicySource};
    let mut different = Vec::new();
    for line in OPA.lines().chain(OPA_CASES.lines()).filter(|line| !line.starts_with('#')) {
        let (call, expected) = line.rsplit_once(" => ").unwrap();
        let text = format!(
            "package orchestrator\nresult := {{\"allowed\": true, \"internal_message\": json.marshal(x)}} if x := {call}\n"
        );
        let source = PolicySource { name: "p".into(), text };
        let decision = Policy::compile(&source, &PolicyOptions::default())
            .map(|policy| policy.evaluate_json(&serde_json::Value::Null));
        let found = match decision {
            Ok(decision) => match decision.outcome {
                Outcome::Allow => decision.internal_message.unwrap(),
                Outcome::Deny(reason) => reason.code().trim_start_matches("policy_").to_owned(),
            },
            Err(error) => error.to_string(),
        };
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let same = |one: &serde_json::Value, other: &serde_json::Value| match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => one.to_bits() == other.to_bits(),
            _ => one == other,
        };
        let is_same = match (value(&found), value(expected)) {
            (Some(found), Some(expected)) => same(&found, &expected),
            _ => found == expected,
        };
        if !is_same {
            different.push(format!("{call}\n    OPA  {expected}\n    here {found}"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn every_function_that_is_offered_has_cases() {
    let without = TABLE.iter().filter(|builtin| {
        let call = format!("{}(", builtin.name);
        builtin.name != NOW && OPA.lines().filter(|line| line.contains(&call)).count() < 3
    });
    assert_eq!(without.map(|builtin| builtin.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn what_differs_from_opa_is_refused() {
    use crate::{DenyReason, Outcome, Policy, PolicyOptions, PolicySource};
    for call in [
        "sprintf(\"%g\", [1.5])",
        "sprintf(\"%T\", [1])",
        "sprintf(\"%[2]s %[1]s\", [\"a\", \"b\"])",
        "sprintf(\"%*d\", [5, 3])",
        "format_int(1180591620717411303424, 16)",
        "time.format([1700000000000000000, \"America/New_York\", \"RFC822\"])",
        "time.format([1700000000000000000, \"UTC\", \"05.00\"])",
        "time.parse_ns(\"2006-01-02 MST\", \"2023-11-14 PST\")",
        "time.parse_ns(\"06\", \"70\")",
        "time.add_date([1700000000000000000, \"Europe/Paris\"], 1, 0, 0)",
        "time.parse_duration_ns(\"1d2h\")",
        "units.parse(\"1e1000\")",
        "units.parse_bytes(\"1e-999999KiB\")",
    ] {
        let text = format!("package orchestrator\nresult := {{\"allowed\": true}} if not {call}\n");
        let source = PolicySource { name: "p".into(), text };
        let decision = Policy::compile(&source, &PolicyOptions::default())
            .unwrap_or_else(|error| panic!("{call}: {error}"))
            .evaluate_json(&serde_json::Value::Null);
        assert_eq!(decision.outcome, Outcome::Deny(DenyReason::Limit), "{call}");
    }
}

/// OPA computes with them; here they are refused by name before a policy decides anything.
#[test]
fn numbers_that_no_double_holds_are_refused_when_the_policy_is_loaded() {
    use crate::{Policy, PolicyErrorKind, PolicyOptions, PolicySource};
    for (expression, said) in [
        ("sprintf(\"%v\", [2e308]) != \"\"", "a number may be 1.7976931348623157e308 at most"),
        ("17976931348623159e292 > 1", "a number may be 1.7976931348623157e308 at most"),
        ("-1.8E308 < 1", "a number may be 1.7976931348623157e308 at most"),
        ("1e400 > 1e399", "a number's exponent may be 308 at most"),
        ("1e-400 > 0", "a number's exponent may be 308 at most"),
    ] {
        let text = format!("package orchestrator\nresult := {{\"allowed\": true}} if {expression}\n");
        let source = PolicySource { name: "p".into(), text };
        let error = Policy::compile(&source, &PolicyOptions::default()).expect_err(expression);
        assert_eq!((error.kind, error.line), (PolicyErrorKind::TooComplex, Some(2)), "{expression}: {error}");
        assert!(error.message.contains(said), "{expression}: {error}");
    }
    let largest = "package orchestrator\nresult := {\"allowed\": 1.7976931348623157e308 > 1e308}\n";
    let source = PolicySource { name: "p".into(), text: largest.into() };
    Policy::compile(&source, &PolicyOptions::default()).unwrap();
}
