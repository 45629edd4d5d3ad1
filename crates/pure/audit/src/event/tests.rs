use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::address::ClientIp;
use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, Issuer, RequestId, SubjectId, TokenId};
use gatehouse_identity::static_key::{KeyHash, KeyTable, StaticKey};

use super::{
    ClientKind, Event, EventKind, Exchange, Family, Outcome, Policy, Recovery, RequestFacts, Target,
    TokenUsage,
};
use crate::fingerprint::FingerprintKey;
use crate::tally::{Counted, Handful, Origin, Room, Tally, Times};

const NOW: Timestamp = Timestamp::from_unix_nanos(1_795_271_974_000_000_123);

fn written(event: &Event) -> String {
    serde_json::to_string(event).unwrap()
}

#[test]
fn leaves_out_what_is_not_known() {
    let event = Event::new(EventKind::NodeStarted, Outcome::Allow, NOW);
    assert_eq!(
        written(&event),
        r#"{"time":"2026-11-21T14:39:34.000000123Z","event":"node.started","outcome":"allow"}"#
    );
}

#[test]
fn a_tool_call_reads_from_left_to_right() {
    let hash = FingerprintKey::new(&[7; 32]).fingerprint(b"{\"id\":1}");
    let event = Event::new(EventKind::ToolCall, Outcome::Deny, NOW)
        .with_reason("policy_rule")
        .with_revision("r12")
        .with_request_id(&RequestId::new("req_1"))
        .with_request(RequestFacts {
            rpc_id: Some("7".into()),
            bytes: Some(120),
            arguments_hash: Some(hash),
            ..RequestFacts::default()
        })
        .with_subject(&Issuer::new("https://idp"), &SubjectId::new("ada"))
        .with_client(&ClientId::new("claude-public"), ClientKind::Registered, Some(Assurance::RedirectBound))
        .with_source(IpAddr::from([192, 0, 2, 7]).into(), [10, 0, 0, 1].into(), Some("claude-code/2.1.329"))
        .with_target(Target {
            app: Some("ledger".into()),
            method: Some("tools/call".into()),
            tool: Some("ledger_audit".into()),
            ..Target::default()
        })
        .with_policy(Policy {
            name: "ledger-inbound".into(),
            verdict: "rule",
            internal_message: Some("not an auditor".into()),
            external_message: Some("ask for audit rights".into()),
            duration: Duration::from_micros(8),
        })
        .with_result(200, 64, Duration::from_micros(1_250))
        .with_upstream_time(Duration::from_millis(1));
    let expected = format!(
        concat!(
            r#"{{"time":"2026-11-21T14:39:34.000000123Z","event":"tool.call","outcome":"deny","reason":"policy_rule","#,
            r#""rev":"r12","request":{{"id":"req_1","rpc_id":"7","bytes":120,"arguments_hash":"{}"}},"#,
            r#""actor":{{"iss":"https://idp","sub":"ada","client_id":"claude-public","client_kind":"registered","#,
            r#""assurance":"redirect_bound"}},"source":{{"ip":"192.0.2.7","peer_ip":"10.0.0.1","#,
            r#""user_agent":"claude-code/2.1.329"}},"target":{{"app":"ledger","method":"tools/call","#,
            r#""tool":"ledger_audit"}},"policy":{{"name":"ledger-inbound","verdict":"rule","#,
            r#""internal_message":"not an auditor","external_message":"ask for audit rights","ms":0.008}},"#,
            r#""result":{{"status":200,"bytes":64,"ms":1.25,"upstream_ms":1.0}}}}"#
        ),
        hash
    );
    assert_eq!(written(&event), expected);
}

#[test]
fn a_model_call_names_the_holder_of_a_static_key() {
    let key = StaticKey {
        name: "team-a".into(),
        hash: KeyHash::of("gwk_test"),
        groups: Arc::new(["team-a".into()]),
        expires_at: None,
    };
    let principal = KeyTable::new(Issuer::new("https://gw"), [key])
        .authenticate("gwk_test", NOW)
        .expect("the key is known");
    let event = Event::new(EventKind::ModelCall, Outcome::Allow, NOW)
        .with_party(principal.attribution())
        .with_tokens(TokenUsage { input: 10, output: 3, cost_micro_usd: Some(125), ..TokenUsage::default() });
    let text = written(&event);
    assert!(text.contains(
        r#""actor":{"iss":"https://gw","sub":"team-a","kind":"workload","groups":["team-a"],"credential":"static_key","key":"team-a"}"#
    ));
    assert!(
        text.contains(
            r#""tokens":{"input":10,"output":3,"cache_write":0,"cache_read":0,"cost_micro_usd":125}"#
        )
    );
    assert!(!text.contains("gwk_"));
}

#[test]
fn an_exchange_names_the_new_token() {
    let event = Event::new(EventKind::TokenExchange, Outcome::Allow, NOW).with_exchange(Exchange {
        issued: Some(TokenId::new("j1")),
        audiences: vec!["https://api".into()],
        scope: Some("read".into()),
        actors: vec!["gateway".into(), "claude-public".into()],
        expires_at: Some(Timestamp::from_unix_seconds(1_795_272_000)),
        ..Exchange::default()
    });
    assert!(written(&event).ends_with(
        r#""exchange":{"jti":"j1","aud":["https://api"],"scope":"read","actors":["gateway","claude-public"],"exp":1795272000}}"#
    ));
}

#[test]
fn long_and_hostile_texts_are_cut_and_escaped() {
    let event = Event::new(EventKind::SigninFailure, Outcome::Deny, NOW)
        .with_claimed_user(&format!("{}\n\"}}", "é".repeat(400)))
        .with_recovery(Recovery { cut_bytes: 3 });
    let text = written(&event);
    assert!(text.contains(&format!("\"claimed_user\":\"{}\"", "é".repeat(256))));
    let event = Event::new(EventKind::SigninFailure, Outcome::Deny, NOW).with_claimed_user("a\n\"b\u{0}");
    assert!(written(&event).contains(r#""claimed_user":"a\n\"b\u0000""#));
}

#[test]
fn codes_are_unique_and_what_gives_lasting_power_is_awaited() {
    let mut codes: Vec<_> = EventKind::ALL.iter().map(|kind| kind.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), EventKind::ALL.len());
    assert!(EventKind::TokenIssue.family().is_awaited());
    assert!(!EventKind::ToolCall.family().is_awaited());
    assert_eq!(EventKind::ModelCall.family(), Family::Model);
}

#[test]
fn what_is_learnt_later_adds_to_the_request() {
    let facts = |method: Option<&str>, bytes| RequestFacts {
        method: method.map(str::to_owned),
        bytes,
        ..RequestFacts::default()
    };
    let event = Event::new(EventKind::ModelCall, Outcome::Allow, NOW)
        .with_request_id(&RequestId::new("req_1"))
        .with_request(facts(Some("POST"), None))
        .with_request(facts(None, Some(7)));
    assert!(
        written(&event).contains(r#""request":{"id":"req_1","method":"POST","bytes":7}"#),
        "{}",
        written(&event)
    );
}

/// A refusal from `ip`, about which nobody has proven anything.
fn refusal(kind: EventKind, reason: &'static str, ip: &str) -> Event {
    let ip: std::net::IpAddr = ip.parse().unwrap();
    Event::new(kind, Outcome::Deny, NOW).with_reason(reason).with_source(ip.into(), ip, Some("curl/8"))
}

#[test]
fn what_strangers_are_refused_can_be_counted() {
    let same = |ip| refusal(EventKind::CredentialRefused, "key_refused", ip).refused_stranger().unwrap();
    assert_eq!(same("192.0.2.7"), same("::ffff:192.0.2.7"));
    assert_eq!(same("2001:db8::1"), same("2001:db8::2"));
    assert_ne!(same("192.0.2.7"), same("192.0.2.8"));
    let other = refusal(EventKind::CredentialRefused, "credential_missing", "192.0.2.7");
    assert_ne!(other.refused_stranger(), Some(same("192.0.2.7")));
    for kind in [EventKind::RequestRefused, EventKind::AuthorizationRequest, EventKind::TokenIssue] {
        assert!(refusal(kind, "invalid_client", "192.0.2.7").refused_stranger().is_some(), "{kind:?}");
    }
}

#[test]
fn what_is_about_somebody_is_never_counted() {
    let refused = || refusal(EventKind::TokenIssue, "invalid_grant", "192.0.2.7");
    let (issuer, client) = (Issuer::new("https://idp"), ClientId::new("billing"));
    let by = |assurance| refused().with_client(&client, ClientKind::Registered, assurance);
    let cases = vec![
        (refused().with_outcome(Outcome::Allow), false),
        (refused().with_subject(&issuer, &SubjectId::new("ada")), false),
        (by(Some(Assurance::Secret)), false),
        (by(Some(Assurance::PrivateKeyJwt)), false),
        (refused().with_kind(EventKind::TokenTheft), false),
        (refused().with_reason("password_wrong").with_claimed_user("ada"), false),
        (refused().with_reason("too_many_attempts").with_claimed_user("ada"), true),
        (by(None), true),
        (by(Some(Assurance::SelfAsserted)), true),
        (by(Some(Assurance::Cimd)), true),
        (refused().with_outcome(Outcome::Error), true),
        (Event::new(EventKind::TokenIssue, Outcome::Deny, NOW).with_reason("invalid_grant"), false),
    ];
    for (event, expected) in cases {
        assert_eq!(event.refused_stranger().is_some(), expected, "{}", written(&event));
    }
}

#[test]
fn a_count_stands_for_what_was_counted() {
    let event = refusal(EventKind::CredentialRefused, "key_refused", "192.0.2.7");
    let (refused, network) = event.refused_stranger().unwrap();
    let mut tally = Tally::new(Handful { per_network: 5, in_all: 100 });
    for _ in 0..7 {
        tally.note(&refused, network, NOW, Room::Scarce);
    }
    assert_eq!(
        written(&Event::counting(&tally.take()[0])),
        r#"{"time":"2026-11-21T14:39:34.000000123Z","event":"credential.refused","outcome":"deny","reason":"key_refused","counted":{"count":7,"first":"2026-11-21T14:39:34.000000123Z","last":"2026-11-21T14:39:34.000000123Z","network":"192.0.2.7"}}"#
    );
    let times = Times { count: 9, first: NOW, last: NOW };
    let shared = Counted { kind: refused, origin: Origin::Many(3), times };
    assert!(written(&Event::counting(&shared)).ends_with(r#""networks":3}}"#));
}

#[test]
fn a_client_that_a_proxy_does_not_name_is_unknown() {
    let event = Event::new(EventKind::ToolCall, Outcome::Deny, NOW);
    let event = event.with_source(ClientIp::Unknown, [10, 0, 0, 1].into(), None);
    assert!(
        written(&event).contains(r#""source":{"ip":"unknown","peer_ip":"10.0.0.1"}"#),
        "{}",
        written(&event)
    );
}
