//! One decision as the token endpoint makes it: build the input from its parts, evaluate. Run it with
//! `RUST_LIB_BACKTRACE=0` where `RUST_BACKTRACE` is set: the engine makes errors inside a successful evaluation.

use std::time::Duration;

use divan::{Bencher, black_box};
use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_policy::input::{Client, HttpFacts, Input, Request, TokenMinting};
use gatehouse_policy::{Asker, Consulted, Policy, PolicyOptions, PolicySource};
use serde_json::Map;

const POLICIES: [(&str, &str); 3] = [
    ("network", include_str!("../src/policy/tests/public_client_by_network.rego")),
    ("anthropic", include_str!("../src/policy/tests/anthropic_ranges.rego")),
    ("combined", include_str!("../src/policy/tests/combined_ranges.rego")),
];

/// As in the binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    divan::main();
}

/// An input that the policy has not seen before.
#[divan::bench(args = POLICIES.map(|(name, _)| name))]
fn decision(bencher: Bencher<'_, '_>, name: &str) {
    measure(bencher, name, true);
}

/// An input that the policy has decided on before.
#[divan::bench(args = POLICIES.map(|(name, _)| name))]
fn repeated(bencher: Bencher<'_, '_>, name: &str) {
    measure(bencher, name, false);
}

fn measure(bencher: Bencher<'_, '_>, name: &str, is_new: bool) {
    let text = POLICIES.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| *text);
    let source = PolicySource { name: name.into(), text: text.into() };
    let Ok(policy) = Policy::compile(&source, &PolicyOptions::default()) else { return };
    let Ok(scopes) = ScopeSet::parse("openid email profile") else { return };
    let claims =
        Map::from_iter([("sub".to_owned(), "ada".into()), ("email".to_owned(), "ada@example.com".into())]);
    let audiences = ["https://gw.example.com/mcp".to_owned()];
    let minting = TokenMinting {
        client: Client {
            id: "claude-public",
            name: "Claude",
            public: true,
            assurance: Assurance::RedirectBound,
        },
        grant_type: "authorization_code",
        scopes: &scopes,
        audiences: &audiences,
        resources: &audiences,
        subject_token: None,
        actor_token: None,
        refresh_shared_with: None,
        token: &claims,
    };
    let request = Request {
        source_ip: std::net::IpAddr::from([160, 79, 104, 9]).into(),
        peer_ip: [127, 0, 0, 1].into(),
        http: HttpFacts {
            method: "POST",
            path: "/oauth2/token",
            headers: &&[("host", "auth.example.com"), ("content-type", "application/x-www-form-urlencoded")]
                [..],
        },
        user: None,
        now: Timestamp::from_unix_seconds(1_700_000_000),
        revision: "r1",
    };
    let asker = Asker { network: [160, 79, 104, 9].into(), now: Duration::ZERO };
    let consulted = |input: &Input<'_>| match policy.consult(input, asker) {
        Consulted::Decided(answered) => answered.decision,
        Consulted::Open(question) => question.answer(&|| Duration::ZERO).decision,
    };
    let decide = |input: &Input<'_>| if is_new { policy.evaluate_anew(input) } else { consulted(input) };
    bencher.bench_local(|| decide(&black_box(&minting).input(&request)));
}
