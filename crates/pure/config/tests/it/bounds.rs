//! How much is read of files, and how much may be held.

use gatehouse_config::document::Document;
use gatehouse_config::snapshot::compile;
use gatehouse_config::source::Source;

use crate::fixture::{AUTH_PROVIDER, WHOLE, environment, loader, printed};

/// What is said of `text` when `path` is one byte longer than it may be.
fn said_of(text: &str, path: &str, limit: usize) -> String {
    let loader = loader().with(path, vec![b' '; limit + 1]);
    let document = Document::read(&Source::new("gatehouse.yaml", text), &environment(), &loader);
    let compiled = document.and_then(|document| compile(document, &loader));
    compiled.err().map_or_else(String::new, |problems| printed(&problems))
}

#[test]
fn no_kind_of_file_is_read_beyond_its_limit() {
    const MIB: usize = 1024 * 1024;
    for (text, path, limit) in [
        (WHOLE, "/etc/gatehouse/employees.json", 16 * MIB),
        (WHOLE, "/etc/gatehouse/ledger.rego", MIB),
        (AUTH_PROVIDER, "/etc/gatehouse/server.pem", MIB),
        (AUTH_PROVIDER, "/etc/gatehouse/server-key.pem", MIB),
        (AUTH_PROVIDER, "/etc/gatehouse/root.pem", MIB),
        (AUTH_PROVIDER, "/etc/gatehouse/secrets.yaml", 4 * MIB),
    ] {
        let said = said_of(text, path, limit);
        assert!(said.contains(&format!("`{path}` is larger than {limit} bytes")), "{path}: {said}");
    }
}

#[test]
fn a_budget_has_room_for_what_may_be_sent() {
    let mut text = WHOLE.to_owned();
    let said = |limits: &str, text: &str| {
        let text = text.replacen("http:\n", &format!("http:\n  limits: {limits}\n"), 1);
        let document = Document::read(&Source::new("f", text), &environment(), &loader());
        document.and_then(|document| compile(document, &loader()).map(|snapshot| snapshot.buffers))
    };
    let refused = |limits: &str, text: &str| printed(&said(limits, text).err().unwrap_or_default());
    // 32 MiB and what is made of them, twice: one caller alone gets half of all.
    let found = refused("{ bufferedBytes: 71303167 }", &text);
    assert!(found.contains("http.limits.bufferedBytes: expected 71303168 to"), "{found}");
    let found = refused("{ bufferedBytesPerCaller: 1000 }", &text);
    assert!(found.contains("http.limits.bufferedBytesPerCaller: expected 35651584 to"), "{found}");
    let buffers =
        said("{ bufferedBytes: 71303168, bufferedBytesPerCaller: 35651584 }", &text).expect("sound");
    assert_eq!((buffers.total, buffers.per_caller), (Some(71_303_168), Some(35_651_584)));
    // Smaller requests need less.
    text = text.replacen("llmProvider:\n", "llmProvider:\n  limits: { bodyBytes: 65536 }\n", 1);
    let buffers = said("{ bufferedBytes: 20971520 }", &text).expect("sound");
    assert_eq!(buffers.largest_request, 10 * 1024 * 1024, "a tool call, twice, and what is parsed of it");
}
