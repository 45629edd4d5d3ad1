use gatehouse_testkit::host::HandClock;

use super::*;

const LINES: &str = concat!(
    "{\"seq\":1,\"node\":\"a\",\"time\":\"2027-01-15T08:00:00Z\",\"event\":\"audit.opened\"}\n",
    "{\"seq\":2,\"node\":\"a\",\"time\":\"2027-01-15T08:00:00.5Z\",\"event\":\"token.revoke\"}\n",
    "{\"seq\":3,\"node\":\"a\",\"time\":\"2026-11-01T08:00:00Z\",\"event\":\"audit.opened\"}\n",
);

fn latest(text: &[u8]) -> Option<Timestamp> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.jsonl");
    std::fs::write(&log, text).unwrap();
    latest_record(&log).unwrap()
}

#[test]
fn the_latest_of_the_last_records_is_found() {
    let half = Timestamp::from_unix_nanos(1_800_000_000_500_000_000);
    assert_eq!(latest(LINES.as_bytes()), Some(half));
    let torn = format!("{LINES}{{\"seq\":4,\"time\":\"2030-01-01T00:00");
    assert_eq!(latest(torn.as_bytes()), Some(half));
    let long = format!("{}\n{LINES}", "x".repeat(3 * 1024 * 1024));
    assert_eq!(latest(long.as_bytes()), Some(half));
    assert_eq!(latest(b""), None);
    let absent = latest_record(Path::new("/absent/audit.jsonl")).unwrap();
    assert_eq!(absent, None);
}

#[test]
fn a_clock_that_is_behind_is_told_both_times_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.jsonl");
    std::fs::write(&log, LINES).unwrap();
    let refusal = |seconds| refuse_behind(&log, &HandClock::at(Timestamp::from_unix_seconds(seconds))).err();
    let Some(Failure::Failed(said)) = refusal(1_800_000_000) else { panic!("it should have been refused") };
    for part in
        ["2027-01-15T08:00:00Z by the clock", "a record of 2027-01-15T08:00:00.5Z", "Set the clock right"]
    {
        assert!(said.contains(part), "expected {part:?} in {said:?}");
    }
    assert!(refusal(1_800_000_001).is_none());
}
