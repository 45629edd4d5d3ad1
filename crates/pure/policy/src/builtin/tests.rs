use super::*;

#[test]
fn the_table_agrees_with_the_engine() {
    for builtin in TABLE {
        if matches!(builtin.run, Run::Own(_))
            && builtin.name != "json.unmarshal"
            && builtin.name != "time.now_ns"
        {
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
