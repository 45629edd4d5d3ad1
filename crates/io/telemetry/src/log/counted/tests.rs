use std::net::IpAddr;

use gatehouse_audit::tally::Handful;
use tracing_subscriber::layer::SubscriberExt as _;

use super::CountedLines;
use crate::log::subscriber;
use crate::log::tests::Lines;

/// What is written while `work` runs, and then is told.
fn logged(level: &str, work: impl FnOnce(&CountedLines)) -> Vec<serde_json::Value> {
    let (lines, counted) = (Lines::default(), CountedLines::new(Handful { per_network: 5, in_all: 100 }));
    let subscriber = subscriber(level, lines.clone()).unwrap().with(counted.clone());
    tracing::subscriber::with_default(subscriber, || {
        work(&counted);
        counted.tell();
    });
    lines.read()
}

fn refuse(ip: [u8; 4], reason: &'static str, times: usize) {
    for number in 0..times {
        let ip = IpAddr::from(ip);
        tracing::info!(target: "gatehouse_edge::door", { request.id = number, source.ip = %ip, reason }, "request refused");
    }
}

fn count(lines: &[serde_json::Value]) -> u64 {
    lines.iter().map(|line| line["count"].as_u64().unwrap_or(1)).sum()
}

#[test]
fn a_flood_of_lines_is_a_handful_and_a_count() {
    let lines = logged("info", |_| {
        refuse([192, 0, 2, 7], "key_refused", 1_000);
        refuse([192, 0, 2, 7], "route_unknown", 3);
    });
    assert_eq!(lines.len(), 5 + 3 + 1);
    assert_eq!(count(&lines), 1_003);
    let told = lines.last().unwrap();
    assert_eq!((&told["message"], &told["level"]), (&"lines counted".into(), &"INFO".into()));
    assert_eq!(told["counted.message"], "request refused");
    assert_eq!(told["reason"], "key_refused");
    assert_eq!(told["source.network"], "192.0.2.7");
    assert_eq!(told["count"], 995);
    assert!(told.get("source.networks").is_none(), "{told}");
}

#[test]
fn whoever_asks_meanwhile_is_told_of() {
    let lines = logged("info", |_| {
        refuse([192, 0, 2, 7], "key_refused", 1_000);
        refuse([192, 0, 2, 8], "key_refused", 1);
    });
    assert!(lines.iter().any(|line| line["source.ip"] == "192.0.2.8"));
}

#[test]
fn so_many_networks_share_a_line() {
    let lines = logged("info", |_| {
        for number in 0..2_000_u16 {
            let [high, low] = number.to_be_bytes();
            refuse([10, 0, high, low], "key_refused", 2);
        }
    });
    assert_eq!(count(&lines), 4_000);
    assert!(lines.len() < 250, "{}", lines.len());
    assert_eq!(lines.iter().filter(|line| line["source.networks"] == 1_000).count(), 1);
}

#[test]
fn the_next_second_has_a_handful_of_its_own() {
    let lines = logged("info", |counted| {
        refuse([192, 0, 2, 7], "key_refused", 10);
        counted.tell();
        refuse([192, 0, 2, 7], "key_refused", 2);
    });
    assert_eq!((lines.len(), count(&lines)), (5 + 1 + 2, 12));
}

#[test]
fn connections_are_counted_and_at_their_own_level() {
    let warn = |ip: [u8; 4]| {
        let ip = IpAddr::from(ip);
        tracing::warn!(target: "gatehouse_edge::server", { peer.ip = %ip }, "connection refused, limit reached");
        tracing::debug!(target: "gatehouse_edge::server", { peer.ip = %ip }, "TLS handshake failed");
    };
    for (level, expected) in [("warn", [6, 0]), ("debug", [6, 6])] {
        let lines = logged(level, |_| (0..100).for_each(|_| warn([192, 0, 2, 7])));
        let at = |level: &str| lines.iter().filter(|line| line["level"] == level).count();
        assert_eq!([at("WARN"), at("DEBUG")], expected, "{level}");
        assert_eq!(count(&lines), expected.iter().map(|lines| 100 * u64::from(*lines > 0)).sum::<u64>());
    }
}

#[test]
fn what_is_about_nobody_is_always_written() {
    let lines = logged("info", |_| {
        for problem in 0..100 {
            tracing::warn!(target: "gatehouse::command", { problem }, "configuration");
        }
    });
    assert_eq!(lines.len(), 100);
}
