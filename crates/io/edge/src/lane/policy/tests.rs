use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_policy::input::{Client, HttpFacts, Request, TokenMinting};
use gatehouse_policy::{Decision, DenyReason, Outcome, Policy, PolicyOptions, PolicySource};
use serde_json::Map;
use tokio::time::Instant;

use super::PolicyLane;

/// Runs into its time limit for the grants whose name is asked for, and allows the others at once.
const FOR_SOME: &str = r#"package orchestrator
default result := {"allowed": true}
result := {"allowed": false} if {
	input.request.oauth.grant_type == "dear"
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	a + b < 0
}
"#;

fn policy(text: &str) -> Policy {
    let source = PolicySource { name: "p".into(), text: text.into() };
    Policy::compile(&source, &PolicyOptions::default()).unwrap()
}

/// What `policy` says about a request for `grant` at `second` from the network with this number.
async fn ask(lane: &PolicyLane, policy: &Policy, grant: &str, (second, network): (i64, u8)) -> Decision {
    let claims = Map::new();
    let scopes = ScopeSet::none();
    let minting = TokenMinting {
        client: Client { id: "c", name: "C", public: true, assurance: Assurance::RedirectBound },
        grant_type: grant,
        scopes: &scopes,
        audiences: &[],
        resources: &[],
        subject_token: None,
        actor_token: None,
        refresh_shared_with: None,
        token: &claims,
    };
    let from: IpAddr = [192, 0, 2, network].into();
    let request = Request {
        source_ip: from.into(),
        peer_ip: from,
        http: HttpFacts { method: "POST", path: "/oauth2/token", headers: &&[][..] },
        user: None,
        now: Timestamp::from_unix_seconds(second),
        revision: "r",
    };
    lane.ask(policy, &minting.input(&request), from).await
}

fn reason(decision: &Decision) -> Option<DenyReason> {
    match decision.outcome {
        Outcome::Allow => None,
        Outcome::Deny(reason) => Some(reason),
    }
}

#[tokio::test]
async fn a_policy_that_keeps_hitting_its_limit_is_cut_short_for_whoever_makes_it() {
    let (lane, policy) = (PolicyLane::start().unwrap(), policy(FOR_SOME));
    let mut reasons = Vec::new();
    for _ in 0..20 {
        reasons.push(reason(&ask(&lane, &policy, "dear", (0, 1)).await));
    }
    let (hits, cut) = reasons.split_at(3);
    assert!(hits.iter().all(|reason| *reason == Some(DenyReason::Timeout)), "{reasons:?}");
    assert!(cut.iter().all(|reason| *reason == Some(DenyReason::CutShort)), "{reasons:?}");
    // Others are asked about as before, and one good answer of this network opens nothing: it is not asked.
    assert_eq!(reason(&ask(&lane, &policy, "cheap", (0, 2)).await), None);
    assert_eq!(reason(&ask(&lane, &policy, "other", (0, 1)).await), Some(DenyReason::CutShort));
    // What is known needs no evaluation.
    assert_eq!(reason(&ask(&lane, &policy, "cheap", (0, 1)).await), None);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(reason(&ask(&lane, &policy, "other", (0, 1)).await), None);
    assert_eq!(reason(&ask(&lane, &policy, "another", (0, 1)).await), None);
}

#[tokio::test]
async fn a_policy_that_nobody_gets_an_answer_of_is_cut_short_for_everybody() {
    let (lane, policy) = (PolicyLane::start().unwrap(), policy(FOR_SOME));
    for network in 0..8 {
        let decision = ask(&lane, &policy, "dear", (0, network)).await;
        assert_eq!(reason(&decision), Some(DenyReason::Timeout), "{network}");
    }
    let decision = ask(&lane, &policy, "cheap", (0, 99)).await;
    assert_eq!(reason(&decision), Some(DenyReason::CutShort));
    assert!(decision.internal_message.is_some() && decision.external_message.is_none());
}

/// A policy that takes a few milliseconds on this machine: more than a request may hold up others, and less than its
/// limit. It was asked once.
async fn slow_policy(lane: &PolicyLane) -> Policy {
    for items in [10, 20, 40, 80, 160] {
        let slow = policy(&format!(
            r#"package orchestrator
result := {{"allowed": count([a | some a in numbers.range(1, 150); some b in numbers.range(1, {items}); a + b < 0]) == 0, "internal_message": input.request.oauth.grant_type}}
"#
        ));
        let began = Instant::now();
        let _first = ask(lane, &slow, "first", (0, 1)).await;
        if began.elapsed() > Duration::from_millis(3) {
            return slow;
        }
    }
    panic!("this machine is too fast for a policy that is to be slow");
}

/// The thread that serves goes on while policies take their time; more than may wait is refused.
#[tokio::test]
async fn slow_policies_hold_up_nobody_else() {
    let lane = PolicyLane::start().unwrap();
    let slow = slow_policy(&lane).await;
    let quick =
        policy("package orchestrator\nresult := {\"allowed\": input.request.oauth.grant_type == \"q\"}\n");
    // Both are known by now.
    assert_eq!(reason(&ask(&lane, &quick, "q", (0, 1)).await), None);
    let left = AtomicU32::new(200);
    let flood = join_all((0..200_u8).map(|n| {
        let (lane, slow, left) = (&lane, &slow, &left);
        async move {
            let decision = ask(lane, slow, &format!("grant-{n}"), (0, n)).await;
            left.fetch_sub(1, Ordering::Relaxed);
            decision
        }
    }));
    let others = async {
        let mut answered = 0_u32;
        while left.load(Ordering::Relaxed) > 0 {
            assert_eq!(reason(&ask(&lane, &quick, "q", (0, 77)).await), None);
            answered += 1;
            tokio::task::yield_now().await;
        }
        answered
    };
    let (decisions, answered) = tokio::join!(flood, others);
    let reasons: Vec<_> = decisions.iter().map(reason).collect();
    assert!(reasons.contains(&Some(DenyReason::Busy)), "{reasons:?}");
    assert!(
        reasons.iter().all(|reason| matches!(
            reason,
            None | Some(DenyReason::Busy | DenyReason::Timeout | DenyReason::CutShort)
        )),
        "{reasons:?}"
    );
    assert!(answered > 100, "others were asked about {answered} times meanwhile");
}
