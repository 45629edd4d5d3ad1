use super::*;

const LOG: &str = r#"{"seq":1,"event":"signin.success","outcome":"allow","actor":{"sub":"ada"}}
{"seq":2,"event":"tool.call","outcome":"deny","actor":{"sub":"bob","client_id":"claude-public"},"target":{"tool":"ledger_getCustomerPII"},"policy":{"internal_message":"not in finance"},"result":{"status":403}}
"#;

#[test]
fn finds_records_by_what_they_say() {
    let trail = Trail::parse(LOG.to_owned());
    assert!(
        trail.find(&[("/event", "tool.call"), ("/actor/sub", "bob"), ("/result/status", "403")]).is_some()
    );
    assert!(trail.find(&[("/event", "tool.call"), ("/actor/sub", "ada")]).is_none());
    assert!(trail.holds("finance") && !trail.holds("secret"));
}

#[test]
fn records_are_told_in_one_line() {
    assert_eq!(
        Trail::parse(LOG.to_owned()).lines(),
        [
            "  1  signin.success         allow  ada",
            "  2  tool.call              deny   bob via claude-public              ledger_getCustomerPII  (not in finance)",
        ]
    );
}

#[test]
fn a_chain_that_is_none_is_broken() {
    assert!(Trail::parse(LOG.to_owned()).verify().is_err());
}

#[tokio::test]
async fn a_missing_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, LOG).unwrap();
    let expected: [Expected<'_>; 1] = [&[("/event", "model.call")]];
    let missing = Trail::read(&path, &expected).await.unwrap_err().to_string();
    assert!(
        missing.contains("/event = model.call") && missing.contains("signin.success tool.call"),
        "{missing}"
    );
}
