use super::{Starter, StarterError, starter};
use crate::document::Document;
use crate::snapshot;
use crate::source::Source;
use crate::source::environment::Environment;
use crate::source::loader::MemoryLoader;

const PHC: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
const HASH: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn values<'a>(public_url: &'a str, username: &'a str) -> Starter<'a> {
    Starter { public_url, username, password_hash: PHC, key_hash: HASH }
}

#[test]
fn loads_without_a_word() {
    for url in ["https://gw.example.com", "http://localhost:9420"] {
        let text = starter(&values(url, "ada")).unwrap();
        let environment: Environment = [("ANTHROPIC_API_KEY", "sk-ant-something-long")].into_iter().collect();
        let loader = MemoryLoader::empty();
        let snapshot = Document::read(&Source::new("gatehouse.yaml", text), &environment, &loader)
            .and_then(|document| snapshot::compile(document, &loader))
            .unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert_eq!(snapshot.warnings, []);
        assert!(snapshot.authorization_server.is_some() && snapshot.mcp.is_some() && snapshot.llm.is_some());
        assert_eq!(snapshot.authorization_server.unwrap().metadata_clients.unwrap().pinned.len(), 2);
    }
}

#[test]
fn values_cannot_become_structure() {
    let found = starter(&values("https://gw.example.com", "ada\"\n  - username: eve"));
    assert_eq!(found, Err(StarterError("username")));
}
