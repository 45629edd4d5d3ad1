use super::*;

fn source(name: &str, text: &str) -> PolicySource {
    PolicySource { name: name.into(), text: text.into() }
}

#[test]
fn shipped_policies_pass_their_own_tests() {
    let pairs = [
        (
            include_str!("../../../../../policies/network.rego"),
            include_str!("../../../../../policies/network_test.rego"),
            6,
        ),
        (
            include_str!("../../../../../policies/sensitive_tools.rego"),
            include_str!("../../../../../policies/sensitive_tools_test.rego"),
            4,
        ),
        (
            include_str!("../../../../../policies/exchange_scope.rego"),
            include_str!("../../../../../policies/exchange_scope_test.rego"),
            4,
        ),
    ];
    for (policy, tests, count) in pairs {
        let outcomes = run(&[source("policy.rego", policy), source("policy_test.rego", tests)]).unwrap();
        assert_eq!(outcomes.len(), count);
        for outcome in outcomes {
            assert_eq!(outcome.verdict, Verdict::Passed, "{}", outcome.name);
        }
    }
}

#[test]
fn failures_name_their_place() {
    let text = "package p\n\ntest_good if 1 == 1\n\ntest_bad if 1 == 2\n\ntest_slow if {\n\tsome a in numbers.range(1, 9999)\n\tsome b in numbers.range(1, 9999)\n\ta + b == 0\n}\n";
    let outcomes = run(&[source("a_test.rego", text)]).unwrap();
    let found: Vec<_> = outcomes.iter().map(|test| (test.name.as_str(), test.line, test.column)).collect();
    assert_eq!(found, [("data.p.test_bad", 5, 1), ("data.p.test_good", 3, 1), ("data.p.test_slow", 7, 1)]);
    assert_eq!(outcomes[0].verdict, Verdict::Failed);
    assert_eq!(outcomes[1].verdict, Verdict::Passed);
    assert!(matches!(outcomes[2].verdict, Verdict::Error(_)), "{:?}", outcomes[2]);
}
