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
