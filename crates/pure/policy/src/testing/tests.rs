use super::*;

/// The policies that are shipped, their tests, and how many those are.
const SHIPPED: [(&str, &str, usize); 3] = [
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

fn source(name: &str, text: &str) -> PolicySource {
    PolicySource { name: name.into(), text: text.into() }
}

#[test]
fn shipped_policies_pass_their_own_tests() {
    for (policy, tests, count) in SHIPPED {
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

/// Which rules tests depend on, as `LINE NAME` of those that none does.
fn uncovered(policy: &str, tests: &str) -> Vec<String> {
    let modules = [source("p.rego", policy), source("p_test.rego", tests)];
    let rules = coverage(&modules).unwrap();
    rules.iter().filter(|rule| !rule.covered).map(|rule| format!("{} {}", rule.line, rule.name)).collect()
}

const GUARDED: &str = r#"package orchestrator

default result := {"allowed": true}

result := {"allowed": false} if {
	input.request.oauth.clientid == "batch" # misspelt
	not office
}

office if net.cidr_contains("10.0.0.0/8", input.source.ip)

office if { input.source.ip == "192.0.2.1" } else := false if input.source.peer_ip == "192.0.2.2"

names := {"a", "b"}

is_known(name) if name in names
"#;

#[test]
fn a_rule_that_no_test_would_miss_is_named() {
    let tests = r#"package orchestrator

test_allowed if result.allowed with input as {"source": {"ip": "10.1.2.3"}}

test_office if office with input as {"source": {"ip": "10.1.2.3"}}

test_known if is_known("a")
"#;
    assert_eq!(uncovered(GUARDED, tests), ["5 result", "12 office", "12 office"]);
    let more = r#"
test_denied if not result.allowed with input as {"request": {"oauth": {"clientid": "batch"}}}

test_branch if office with input as {"source": {"ip": "192.0.2.1"}}

test_neither if office == false with input as {"source": {"peer_ip": "192.0.2.2"}}
"#;
    assert_eq!(uncovered(GUARDED, &format!("{tests}{more}")), [""; 0]);
}

#[test]
fn older_bodies_and_tests_beside_the_rules_are_measured() {
    let older = "package orchestrator\n\ndefault result = {\"allowed\": false}\n\nresult = {\"allowed\": true} { input.ok }\n\nresult = {\"allowed\": true} { input.other }\n";
    let tests = "package orchestrator\n\ntest_ok { result.allowed with input as {\"ok\": true} }\n";
    assert_eq!(uncovered(older, tests), ["7 result"]);
    let rules =
        coverage(&[source("p.rego", &format!("{older}\n{}", tests.replace("package orchestrator", "")))]);
    let found: Vec<_> = rules.unwrap().iter().map(|rule| (rule.line, rule.covered)).collect();
    assert_eq!(found, [(5, true), (7, false)]);
}

/// What is shipped is an example of tests too.
#[test]
fn tests_of_shipped_policies_depend_on_every_rule() {
    for (policy, tests, _) in SHIPPED {
        assert_eq!(uncovered(policy, tests), [""; 0]);
    }
}
