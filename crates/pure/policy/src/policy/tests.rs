use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::*;

mod opa;

fn compile(text: &str) -> Result<Policy, PolicyError> {
    Policy::compile(&PolicySource { name: "p".into(), text: text.into() }, &PolicyOptions::default())
}

#[expect(clippy::needless_pass_by_value, reason = "inputs are written in place")]
fn outcome(text: &str, input: serde_json::Value) -> Outcome {
    compile(text).unwrap_or_else(|error| panic!("{error}: {text}")).evaluate_json(&input).outcome
}

const ALLOW: Outcome = Outcome::Allow;
const RULE: Outcome = Outcome::Deny(DenyReason::Rule);

/// The founding document's policies, as written there.
const NETWORK: &str = include_str!("tests/public_client_by_network.rego");
const ANTHROPIC: &str = include_str!("tests/anthropic_ranges.rego");
const COMBINED: &str = include_str!("tests/combined_ranges.rego");

fn from(ip: &str) -> serde_json::Value {
    let ip = crate::input::parse_address(ip).unwrap().to_string();
    json!({"request": {"oauth": {"client_id": "claude-public"}}, "source": {"ip": ip}})
}

#[test]
fn founding_policies_decide_at_their_edges() {
    assert_eq!(compile(NETWORK).unwrap().version(), RegoVersion::V0);
    let corporate = [
        ("10.0.0.0", ALLOW),
        ("10.255.255.255", ALLOW),
        ("::ffff:10.1.2.3", ALLOW),
        ("9.255.255.255", RULE),
        ("11.0.0.0", RULE),
        ("::ffff:11.0.0.0", RULE),
    ];
    for (ip, expected) in corporate {
        assert_eq!(outcome(NETWORK, from(ip)), expected, "{ip}");
    }
    let anthropic = [
        ("160.79.104.0", ALLOW),
        ("160.79.111.255", ALLOW),
        ("::ffff:160.79.104.9", ALLOW),
        ("160.79.103.255", RULE),
        ("160.79.112.0", RULE),
        ("2607:6bc0::", ALLOW),
        ("2607:6bc0:0:ffff:ffff:ffff:ffff:ffff", ALLOW),
        ("2607:6bc0:1::", RULE),
        ("2607:6bbf:ffff::1", RULE),
    ];
    for (ip, expected) in anthropic {
        assert_eq!(outcome(ANTHROPIC, from(ip)), expected, "{ip}");
        assert_eq!(outcome(COMBINED, from(ip)), expected, "{ip}");
    }
    for (ip, expected) in corporate {
        assert_eq!(outcome(COMBINED, from(ip)), expected, "{ip}");
    }
    let other = json!({"request": {"oauth": {"client_id": "other"}}, "source": {"ip": "11.0.0.0"}});
    assert_eq!(outcome(NETWORK, other), ALLOW);
    assert_eq!(outcome(ANTHROPIC, json!({"source": {"ip": "nonsense"}})), RULE);
    let unknown =
        json!({"request": {"oauth": {"client_id": "claude-public"}}, "source": {"peer_ip": "10.0.0.9"}});
    for policy in [NETWORK, ANTHROPIC, COMBINED] {
        assert_eq!(outcome(policy, unknown.clone()), RULE, "a client behind a proxy that does not tell");
    }
}

#[test]
fn both_versions_and_forms_of_result() {
    let keyed = "package orchestrator\ndefault result[\"allowed\"] := true\nresult[\"allowed\"] := false if input.a == 1\nresult[\"external_message\"] := \"no\" if input.a == 1\n";
    let denied = compile(keyed).unwrap().evaluate_json(&json!({"a": 1}));
    assert_eq!((denied.outcome, denied.external_message.as_deref()), (RULE, Some("no")));
    assert_eq!(outcome(keyed, json!({"a": 2})), ALLOW);
    let jwt = "package orchestrator\nscopes := {s | some s in split(claims.scope, \" \")}\nclaims := c if {\n\ttoken := substring(input.h, 7, -1)\n\tstartswith(input.h, \"Bearer \")\n\t[_, c, _] := io.jwt.decode(token)\n}\ndefault result := {\"allowed\": false}\nresult := {\"allowed\": true} if \"pii:read\" in scopes\n";
    assert_eq!(
        outcome(jwt, json!({"h": "Bearer eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImEgcGlpOnJlYWQifQ.AA"})),
        ALLOW
    );
    assert_eq!(outcome(jwt, json!({"h": "Bearer eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImEifQ.AA"})), RULE);
    assert_eq!(outcome(jwt, json!({"h": "Bearer x.y"})), RULE);
    let clock = "package orchestrator\nresult := {\"allowed\": h == 22, \"internal_message\": sprintf(\"%v\", [time.now_ns()])} if [h, _, _] := time.clock(time.now_ns())\n";
    assert_eq!(outcome(clock, json!({"time": {"now_ns": 1_700_000_000_000_000_000_i64}})), ALLOW);
}

/// As OPA answers a query for `data.orchestrator.result`.
#[test]
fn an_answer_may_be_defined_in_parts() {
    const MALFORMED: Outcome = Outcome::Deny(DenyReason::Malformed);
    let cases = [
        ("result[\"allowed\"] := true if input.ok", MALFORMED),
        ("result.allowed := true if input.ok", MALFORMED),
        ("result.allowed if input.ok", MALFORMED),
        ("result[\"allowed\"] if input.ok", MALFORMED),
        ("result.allowed := true if input.ok\ndefault result.allowed := false", RULE),
        ("default result[\"allowed\"] := false\nresult[\"allowed\"] if input.ok", RULE),
        ("result.allowed := true if input.ok\nelse := false", RULE),
        ("result.allowed := input.ok\nresult.extra.deep := 1", RULE),
        ("result.allowed := input.ok\nresult.notes contains \"a\" if input.ok", RULE),
        ("result[name] := true if { name := \"allowed\"; input.ok }", MALFORMED),
        ("result[x] := true if { x = \"allowed\"; input.ok }\nresult.extra := \"m\"", MALFORMED),
        ("ok if result.allowed\nresult.allowed if input.ok\nresult.extra := 1 if ok", MALFORMED),
        ("result.allowed = true { input.ok }", MALFORMED),
        ("result[\"allowed\"] = true { input.ok }", MALFORMED),
        ("default result.allowed = false\nresult.allowed = true { input.ok }", RULE),
    ];
    for (rules, otherwise) in cases {
        let text = format!("package orchestrator\n{rules}\n");
        assert_eq!(outcome(&text, json!({"ok": true})), ALLOW, "{rules}");
        // An answer without parts is none, or an empty object.
        let none = [MALFORMED, Outcome::Deny(DenyReason::Undefined)];
        let found = outcome(&text, json!({"ok": false}));
        assert!(
            found == otherwise || (otherwise == MALFORMED && none.contains(&found)),
            "{rules}: {found:?}"
        );
    }
    // An older way to write an element of a set.
    assert_eq!(
        outcome("package orchestrator\nresult[\"allowed\"] { input.ok }\n", json!({"ok": true})),
        MALFORMED
    );
    let messages = "package orchestrator\ndefault result.allowed := false\nresult.allowed := true if input.ok\nresult.external_message := \"no\" if not result.allowed\nresult[\"internal_message\"] := sprintf(\"%v\", [input.ok])\n";
    let denied = compile(messages).unwrap().evaluate_json(&json!({"ok": false}));
    let said = (denied.outcome, denied.external_message.as_deref(), denied.internal_message.as_deref());
    assert_eq!(said, (RULE, Some("no"), Some("false")));
    let clash =
        "package orchestrator\nresult.allowed := true if input.ok\nresult.allowed := false if input.ok\n";
    assert_eq!(outcome(clash, json!({"ok": true})), Outcome::Deny(DenyReason::Conflict));
}

#[test]
fn the_entry_may_name_a_part_of_a_rule() {
    let decide = |rules: &str, package: &str, entry: &str| {
        let text = format!("package {package}\n{rules}\n");
        let options =
            PolicyOptions { package: package.into(), entry: entry.into(), ..PolicyOptions::default() };
        let policy = Policy::compile(&PolicySource { name: "p".into(), text }, &options);
        policy.map(|policy| policy.evaluate_json(&json!({"ok": true})).outcome)
    };
    for (rules, package, entry) in [
        ("verdict.final := {\"allowed\": input.ok}", "orchestrator", "verdict.final"),
        ("verdict.final.allowed := input.ok", "orchestrator", "verdict.final"),
        ("verdict := {\"final\": {\"allowed\": input.ok}}", "orchestrator", "verdict.final"),
        ("verdict[name] := {\"allowed\": input.ok} if name := \"final\"", "orchestrator", "verdict.final"),
        ("result.allowed := input.ok", "asked", "result"),
        ("result.allowed := input.ok", "asked.answer", "result"),
        ("result.allowed := input.ok", "a.b.c", "result"),
    ] {
        assert_eq!(decide(rules, package, entry), Ok(ALLOW), "{rules} {package} {entry}");
    }
    let refused = |rules: &str| decide(rules, "orchestrator", "result").unwrap_err();
    let error = refused("result(x) := {\"allowed\": x}");
    assert_eq!(error.kind, PolicyErrorKind::Entry);
    assert!(error.message.contains("`result` is a function"), "{error}");
    let error = refused("allow := true\nother.result.allowed := true");
    assert!(error.message.ends_with("it has `allow`, `other.result.allowed`"), "{error}");
    // The rule that asks for the answer is none of the policy's, and reading all of `data` would lead round in a circle.
    let error = refused("result.allowed := data.asked.answer.allowed");
    assert_eq!(error.kind, PolicyErrorKind::Undefined, "{error}");
    let error = refused("result.allowed := data[input.name].answer.allowed");
    assert_eq!(error.kind, PolicyErrorKind::Recursion, "{error}");
}

/// OPA refuses them when it loads them; whichever the engine would take is not what somebody meant.
#[test]
fn rules_within_what_is_defined_whole_are_refused() {
    for rules in [
        "result := {\"allowed\": false}\nresult.allowed := true",
        "default result := {\"allowed\": false}\nresult.allowed := true if input.ok",
        "result contains \"x\"\nresult.allowed := true",
        "result.allowed := true\nresult.allowed.really := true",
        "f(x) := x\nf.y := 1\nresult := {\"allowed\": true}",
        "p contains 1\np := 2\nresult := {\"allowed\": true}",
        "default result.allowed = false\nresult.allowed { input.ok }",
    ] {
        let error = compile(&format!("package orchestrator\n{rules}\n")).expect_err(rules);
        assert_eq!((error.kind, error.line), (PolicyErrorKind::Conflict, Some(3)), "{rules}: {error}");
    }
    compile("package orchestrator\nresult[x] := true if x := input.k\nresult.allowed := true\n").unwrap();
}

#[test]
fn anything_but_a_clear_answer_denies() {
    let cases = [
        ("result := {\"allowed\": true} if input.a == 1", DenyReason::Undefined),
        ("result := {\"allowed\": \"true\"}", DenyReason::Malformed),
        ("result := true", DenyReason::Malformed),
        ("result := {}", DenyReason::Malformed),
        ("result := {\"allowed\": true}\nresult := {\"allowed\": false} if 1 == 1", DenyReason::Conflict),
        ("f(x) := true\nf(x) := false if 1 == 1\nresult := {\"allowed\": f(1)}", DenyReason::Conflict),
        ("result := {\"allowed\": true} if count(numbers.range(1, 20000000)) > 0", DenyReason::Limit),
        // The refused call is not forgotten because another alternative has a value.
        (
            "f(x) := true if count(numbers.range(1, 20000000)) > 0\nf(x) := true\nresult := {\"allowed\": f(1)}",
            DenyReason::Limit,
        ),
        ("result := {\"allowed\": true} if not net.cidr_expand(\"10.0.0.0/8\")", DenyReason::Limit),
        ("result := {\"allowed\": true} if sprintf(\"%999999999d\", [1]) != \"\"", DenyReason::Limit),
        ("result := {\"allowed\": true} if sprintf(\"%\u{0664}d\", [1]) != \"\"", DenyReason::Limit),
        // However the width is written, and however many there are.
        ("result := {\"allowed\": true} if sprintf(\"%-999999999d\", [1]) != \"\"", DenyReason::Limit),
        ("result := {\"allowed\": true} if sprintf(\"% +0999999999d\", [1]) != \"\"", DenyReason::Limit),
        ("result := {\"allowed\": true} if sprintf(\"%.999999999f\", [1.5]) != \"\"", DenyReason::Limit),
        (
            "result := {\"allowed\": true} if {\n\tformat := replace(replace(\"bbbbbbbb\", \"b\", \"aaaaaaaa\"), \"a\", \"%-999d%-999d%-999d%-999d%-999d%-999d%-999d%-999d\")\n\tlong := replace(replace(\"xxxxxxxx\", \"x\", \"yyyyyyyy\"), \"y\", format)\n\tsprintf(long, [1]) != \"\"\n}",
            DenyReason::Limit,
        ),
        ("result := {\"allowed\": true} if to_number(\"1e2147483647\") > 1", DenyReason::Limit),
        ("result := {\"allowed\": true} if bits.lsh(1, 9999999) > 1", DenyReason::Limit),
        ("result := {\"allowed\": true} if regex.match(\"((a{90}){90}){90}\", \"a\")", DenyReason::Undefined),
        (
            "result := {\"allowed\": true} if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta + b < 0\n}",
            DenyReason::Timeout,
        ),
        (
            "result := {\"allowed\": count(x) > 0}\nx := [[b | some b in numbers.range(1, 3000)] | some a in numbers.range(1, 3000)]",
            DenyReason::Timeout,
        ),
    ];
    for (rules, reason) in cases {
        let decision =
            compile(&format!("package orchestrator\n{rules}\n")).unwrap().evaluate_json(&json!({}));
        let expected = if rules.contains("regex.match") {
            [DenyReason::Undefined, DenyReason::Limit]
        } else {
            [reason, reason]
        };
        assert!(
            expected.iter().any(|reason| decision.outcome == Outcome::Deny(*reason)),
            "{rules}: {decision:?}"
        );
        assert!(decision.internal_message.is_some());
    }
}

#[test]
fn evil_text_is_refused_where_it_stands() {
    use PolicyErrorKind::{Entry, Function, Recursion, Syntax, TooComplex, Undefined};
    let calls = |depth: usize| {
        (0..depth).fold(format!("f{depth}(x) := x\nresult := f0(1)\n"), |mut text, at| {
            let _ = writeln!(text, "f{at}(x) := f{}(x)", at + 1);
            text
        })
    };
    let wrapped = (0..250).fold(String::from("result := y250 if {\n\ty0 := 1\n"), |mut text, at| {
        let _ = writeln!(text, "\ty{} := [[y{at}]]", at + 1);
        text
    });
    let cases = [
        ("f(x) := f(x)\nresult := f(1)".to_owned(), Recursion, 2),
        ("f(x) := g(x)\ng(x) := f(x)\nresult := f(1)".to_owned(), Recursion, 2),
        ("a := b\nb := a\nresult := a".to_owned(), Recursion, 2),
        ("result := f(1)\nf(x) := data.orchestrator.result".to_owned(), Recursion, 2),
        ("result := f(1)\nf(x) := data.orchestrator[x]".to_owned(), Recursion, 3),
        ("f(x) := y if {\n\ty := count(x) with count as f\n}\nresult := 1".to_owned(), Recursion, 2),
        ("result := http.send({\"url\": \"x\"})".to_owned(), Function, 2),
        ("result := 1 if {\n\tcount([1]) == 1 with count as http.send\n}".to_owned(), Function, 3),
        ("result := net.lookup_ip_addr(\"x\")".to_owned(), Function, 2),
        ("result := opa.runtime()".to_owned(), Function, 2),
        ("result := no.such(1)".to_owned(), Function, 2),
        ("result := startswith(\"a\")".to_owned(), Function, 2),
        ("result := 1 if data.blocked[input.user.id]".to_owned(), Undefined, 2),
        ("result := 1 if not data[\"blocked\"].ada".to_owned(), Undefined, 2),
        ("result := [x | some x in data.other.names]".to_owned(), Undefined, 2),
        ("result := 1 if {\n\tinput.x == data.orchestrator.resutl\n}\nname := 1".to_owned(), Undefined, 3),
        (calls(200), TooComplex, 0),
        (format!("{wrapped}}}"), TooComplex, 2),
        (format!("result := {}1{}", "[".repeat(24), "]".repeat(24)), TooComplex, 2),
        (
            (0..300).fold("result := 1 if {\n".to_owned(), |text, at| format!("{text}\tv{at} := 1\n")) + "}",
            TooComplex,
            2,
        ),
        (
            "y := 3\nresult := 1 if {\n\ta := y * y * y * y * y * y * y * y * y * y * y * y\n}".to_owned(),
            TooComplex,
            0,
        ),
        ("other := 1".to_owned(), Entry, 0),
        ("result := {".to_owned(), Syntax, 0),
    ];
    for (rules, kind, line) in cases {
        let error = compile(&format!("package orchestrator\n{rules}\n")).expect_err(&rules);
        assert_eq!(error.kind, kind, "{rules}: {error}");
        if line > 0 {
            assert_eq!(error.line, Some(line), "{rules}: {error}");
        }
    }
    assert_eq!(compile("package other\nresult := 1").unwrap_err().kind, Entry);
    let names = compile("package orchestrator\nf(x) := g(x)\ng(x) := f(x)\nresult := 1").unwrap_err().message;
    assert!(names.contains("data.orchestrator.f -> data.orchestrator.g -> data.orchestrator.f"), "{names}");
}

#[test]
fn the_shipped_exchange_policy_never_widens() {
    let policy = include_str!("../../../../../policies/exchange_scope.rego");
    let request = |scopes: &[&str], claims: serde_json::Value| {
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        let oauth = json!({"grant_type": grant, "scopes": scopes, "subject_token": {"claims": claims}});
        outcome(policy, json!({"request": {"oauth": oauth}}))
    };
    assert_eq!(request(&["a"], json!({"scope": "a b"})), ALLOW);
    assert_eq!(request(&[], json!({})), ALLOW);
    assert_eq!(request(&["a", "c"], json!({"scope": "a b"})), RULE);
    assert_eq!(request(&["a"], json!({})), RULE);
    assert_eq!(request(&["a"], json!({"scope": 7})), RULE);
}

/// A policy that repeats a large text of its input ends at the memory limit or at the clock, whichever is first.
#[test]
fn memory_within_one_evaluation_is_bounded() {
    let input = json!({"s": "a".repeat(900_000)});
    for call in [
        "upper(input.s)",
        "concat(\"\", [input.s, \"b\"])",
        "replace(input.s, \"a\", \"aaaaaaaaaa\")",
        "split(input.s, \"\")",
    ] {
        let text = format!(
            "package orchestrator\nx := [v | some a in numbers.range(1, 9999); v := {call}]\nresult := {{\"allowed\": count(x) > 0}}\n"
        );
        let decision = compile(&text).unwrap().evaluate_json(&input);
        let expected = [DenyReason::Limit, DenyReason::Timeout].map(Outcome::Deny);
        assert!(expected.contains(&decision.outcome), "{call}: {decision:?}");
    }
}

#[test]
fn names_that_only_look_recursive_compile() {
    compile("package orchestrator\nf(result) := result.allowed\nresult := {\"allowed\": true} if f({\"allowed\": 1})\n").unwrap();
    compile("package orchestrator\nresult := {\"allowed\": true} if { walk(input, [path, 1]); count(path) > 0 }\n").unwrap();
}

/// The worst text that the scan lets through; most of the time goes into backtraces where those are on.
#[test]
fn the_worst_allowed_text_is_bounded() {
    let shapes: [(&str, &str); 5] = [("[", "]"), ("{", "}"), ("{1:", "}"), ("{", ":1}"), ("[1|", "]")];
    for (open, close) in shapes {
        let line = format!("{}1{},\n", open.repeat(8), close.repeat(8));
        let text = |lines: usize| format!("package orchestrator\nresult := [\n{}]\n", line.repeat(lines));
        let (mut fits, mut over) = (1, 20_000);
        while fits + 1 < over {
            let middle = usize::midpoint(fits, over);
            if scan::check(&text(middle)).is_ok() { fits = middle } else { over = middle }
        }
        let started = monotonic_now().unwrap();
        let _ = compile(&text(fits));
        let took = monotonic_now().unwrap().saturating_sub(started);
        println!("{open} x {fits}: {took:?}");
        assert!(took < Duration::from_secs(10), "{open} x {fits}: {took:?}");
    }
}

fn fragment() -> impl Strategy<Value = String> {
    let tokens = [
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "|",
        ",",
        ":",
        ":=",
        "=",
        "==",
        "\n",
        " ",
        "x",
        "y",
        "input",
        ".a",
        "\"s\"",
        "1",
        "not ",
        "some ",
        " in ",
        "every ",
        "if ",
        "f(",
        "-",
        "+",
        "data",
        "with input as ",
        "contains ",
        "else ",
        "result",
        "default ",
        "_",
        "`r`",
        "walk(",
    ];
    proptest::collection::vec(proptest::sample::select(tokens.to_vec()), 0..120)
        .prop_map(|tokens| tokens.concat())
}

#[test]
fn a_mistake_in_new_rego_is_told_in_words_of_new_rego() {
    let found = |text: &str| compile(text).unwrap_err();
    let forgotten = found("package orchestrator\na if input.x\nresult := {\"allowed\": true} { a }\n");
    assert!(forgotten.message.contains("`if` keyword is required"), "{forgotten}");
    assert_eq!(forgotten.line, Some(3));
    let unclosed = found("package orchestrator\nresult := {\"allowed\": true} if { count(input.x == 1 }\n");
    assert_eq!(unclosed.line, Some(2), "{unclosed}");
    let older = found("package orchestrator\nresult := {\"allowed\": true} { input.x == }\n");
    assert!(!older.message.contains("keyword is required"), "{older}");
}

/// Statements that look at an input in every way there is.
fn statement() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "input.a.b == 1",
        "not input.a.c",
        "input[\"a\"][\"b\"] > 0",
        "some k; input.a[k] == 1",
        "some k, v in input.d; v == k",
        "\"x\" in input.a.c",
        "every v in input.d { v != input.e }",
        "count(input) == 3",
        "count(input.a) > 1",
        "x := input.a; x.b == 1",
        "x := input; x.e == true",
        "object.get(input.a, [\"b\"], 7) == 7",
        "walk(input.a, [p, 1]); count(p) == 1",
        "g(input.a)",
        "h(\"b\")",
        "r.b == 1",
        "q == 1 with input.e as 1",
        "q == 1 with input as {\"e\": 1}",
        "q == 1 with input.a.b as 2",
        "r == {\"b\": 2} with input.a as {\"b\": 2}",
        "{v | some v in input.d} == {0, 1}",
        "[k | input[k]] == [\"a\", \"d\"]",
        "{k: v | some k, v in input.a}.b == 1",
        "input == {\"a\": {}, \"d\": [], \"e\": true}",
        "input.a == {\"b\": 1}",
        "json.marshal(input.a) == \"{}\"",
        "data.orchestrator.q == 1",
        "is_object(input.a)",
        "input.e != input.a.b",
    ])
}

fn some_input() -> impl Strategy<Value = serde_json::Value> {
    let value = || {
        prop_oneof![
            Just(json!(1)),
            Just(json!({})),
            Just(json!([])),
            Just(json!([0, 1])),
            Just(json!({"b": 1})),
            Just(json!({"b": 2, "c": ["x"]})),
            Just(json!(true)),
            Just(json!({"c": {"x": 1}})),
        ]
    };
    let names = || proptest::sample::select(vec!["a", "d", "e", "z"]);
    proptest::collection::btree_map(names(), value(), 0..5).prop_map(|members| json!(members))
}

/// What is left of `input` for a policy that reads `reads`.
fn project(input: &serde_json::Value, reads: &Reads) -> serde_json::Value {
    match input {
        serde_json::Value::Object(members) => members
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), project(value, reads.member(name)?))))
            .collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_a_policy_does_not_read_changes_no_decision(
        bodies in proptest::collection::vec(proptest::collection::vec(statement(), 1..4), 1..3),
        input in some_input(),
    ) {
        let mut text = "package orchestrator\ndefault result := {\"allowed\": false}\nr := input.a\nq := input.e\n\
                        g(x) if x.b\nh(k) if input.a[k]\n".to_owned();
        for body in bodies {
            let _ = writeln!(text, "result := {{\"allowed\": true}} if {{ {} }}", body.join("\n"));
        }
        // Two statements of one body may name the same variable: no policy.
        let Ok(policy) = compile(&text) else { return Ok(()) };
        let reduced = project(&input, policy.reads());
        prop_assert_eq!(policy.evaluate_json(&input), policy.evaluate_json(&reduced), "{} of {}: {}", reduced, input, text);
    }
}

#[test]
fn a_policy_that_looks_at_the_clock_is_asked_every_time() {
    use crate::input::{Client, HttpFacts, Request, TokenMinting};
    use gatehouse_identity::{assurance::Assurance, clock::Timestamp, scope::ScopeSet};
    let scopes = ScopeSet::none();
    let claims = serde_json::Map::new();
    let client = Client { id: "c", name: "C", public: true, assurance: Assurance::SelfAsserted };
    let minting = TokenMinting {
        client,
        grant_type: "g",
        scopes: &scopes,
        audiences: &[],
        resources: &[],
        subject_token: None,
        actor_token: None,
        refresh_shared_with: None,
        token: &claims,
    };
    let none: &[(&str, &str)] = &[];
    let at = |seconds| Request {
        source_ip: std::net::IpAddr::from([10, 0, 0, 1]).into(),
        peer_ip: [10, 0, 0, 1].into(),
        http: HttpFacts { method: "POST", path: "/", headers: &none },
        user: None,
        now: Timestamp::from_unix_seconds(seconds),
        revision: "r",
    };
    for clock in ["time.now_ns()", "input.time.now_ns", "input[\"time\"].now_ns"] {
        let policy =
            compile(&format!("package orchestrator\nresult := {{\"allowed\": {clock} < 2000000000}}\n"))
                .unwrap();
        let allowed = [1, 3, 1].map(|seconds| policy.evaluate(&minting.input(&at(seconds))).is_allowed());
        assert_eq!(allowed, [true, false, true], "{clock}");
        assert!(policy.memory.is_none(), "{clock}");
    }
    let policy = compile("package orchestrator\nresult := {\"allowed\": input.client.public}\n").unwrap();
    let twice = [1, 3].map(|seconds| policy.evaluate(&minting.input(&at(seconds))).is_allowed());
    assert_eq!(twice, [true, true]);
    let sight = minting.input(&at(9)).sight(policy.reads());
    assert!(policy.memory.as_ref().unwrap().recall(&sight).is_some());
}

/// What an evaluation costs decides where the next one is made; one that ran into its limit has one deadline.
#[test]
fn who_asks_is_not_held_up_by_a_policy_that_is_new_or_slow() {
    use crate::input::{Client, HttpFacts, Request, TokenMinting};
    use gatehouse_identity::{assurance::Assurance, clock::Timestamp, scope::ScopeSet};
    let (scopes, claims) = (ScopeSet::none(), serde_json::Map::new());
    let request = Request {
        source_ip: std::net::IpAddr::from([10, 0, 0, 1]).into(),
        peer_ip: [10, 0, 0, 1].into(),
        http: HttpFacts { method: "POST", path: "/", headers: &&[][..] },
        user: None,
        now: Timestamp::from_unix_seconds(0),
        revision: "r",
    };
    let consult = |policy: &Policy, grant_type: &str| {
        let minting = TokenMinting {
            client: Client { id: "c", name: "C", public: true, assurance: Assurance::SelfAsserted },
            grant_type,
            scopes: &scopes,
            audiences: &[],
            resources: &[],
            subject_token: None,
            actor_token: None,
            refresh_shared_with: None,
            token: &claims,
        };
        let asker = Asker { network: [10, 0, 0, 1].into(), now: Duration::ZERO };
        match policy.consult(&minting.input(&request), asker) {
            Consulted::Decided(answered) => (true, answered.decision.outcome),
            Consulted::Open(question) => {
                assert_eq!(question.policy().identity(), policy.identity());
                (false, question.answer(&|| Duration::ZERO).decision.outcome)
            }
        }
    };
    let quick =
        compile("package orchestrator\nresult := {\"allowed\": input.request.oauth.grant_type != \"z\"}\n");
    let quick = quick.unwrap();
    assert_eq!(consult(&quick, "a"), (false, ALLOW), "a new one");
    assert_eq!(consult(&quick, "a"), (true, ALLOW), "remembered");
    assert_eq!(consult(&quick, "b"), (true, ALLOW), "known to be quick");
    let text = "package orchestrator\ndefault result := {\"allowed\": true}\nresult := {\"allowed\": false} if {\n\tinput.request.oauth.grant_type == \"dear\"\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta + b < 0\n}\n";
    let dear = compile(text).unwrap();
    assert_eq!(consult(&dear, "a"), (false, ALLOW));
    assert!(consult(&dear, "b").0);
    let timeout = Outcome::Deny(DenyReason::Timeout);
    let started = processor_time();
    assert_eq!(consult(&dear, "dear"), (true, timeout), "nobody could know");
    let spent = processor_time().saturating_sub(started);
    assert!(spent < TIME_LIMIT + SECOND_LIMIT, "{spent:?} for one evaluation");
    assert_eq!(consult(&dear, "dear"), (false, timeout), "known to be slow");
    assert_eq!(consult(&dear, "c"), (false, ALLOW), "whatever it is asked");
    assert_eq!(consult(&dear, "a"), (true, ALLOW), "what it said before needs no evaluation");
    for _ in 0..3 {
        consult(&dear, "dear");
    }
    assert_eq!(consult(&dear, "dear"), (true, Outcome::Deny(DenyReason::CutShort)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_stops_the_process(text in prop_oneof![".{0,200}", fragment().prop_map(|text| format!("package orchestrator\nresult if {{\n{text}"))]) {
        let started = monotonic_now().unwrap();
        if let Ok(policy) = compile(&text) {
            let _ = policy.evaluate_json(&json!({"a": [1, 2]}));
        }
        prop_assert!(monotonic_now().unwrap().saturating_sub(started) < Duration::from_secs(5));
    }

    #[test]
    fn no_input_stops_the_process(text in ".{0,40}", number in any::<f64>(), depth in 0_usize..60) {
        let policy = compile("package orchestrator\ndefault result := {\"allowed\": false}\nresult := {\"allowed\": true} if { walk(input, [_, v]); net.cidr_contains(\"10.0.0.0/8\", v) }\n").unwrap();
        let mut input = json!({"source": {"ip": text}, "n": number});
        for _ in 0..depth {
            input = json!([input]);
        }
        let decision = policy.evaluate_json(&input);
        prop_assert!(!decision.is_allowed() || text.starts_with("10."));
    }
}
