use gatehouse_identity::audience::Audience;

use super::{PublicUrl, Starter, StarterError, starter};
use crate::document::Document;
use crate::snapshot::protection::KeySource;
use crate::snapshot::{self, Snapshot};
use crate::source::Source;
use crate::source::environment::Environment;
use crate::source::loader::MemoryLoader;

const PHC: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
const AUDIT_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
const HASH: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn written(public_url: &str, username: &str) -> Result<String, StarterError> {
    let public_url = &public_url.parse().unwrap();
    starter(&Starter { public_url, username, password_hash: PHC, key_hash: Some(HASH), audit_key: AUDIT_KEY })
}

fn loaded(public_url: &str) -> Snapshot {
    let text = written(public_url, "ada").unwrap();
    let environment: Environment = [("ANTHROPIC_API_KEY", "sk-ant-something-long")].into_iter().collect();
    let loader = MemoryLoader::empty();
    Document::read(&Source::new("gatehouse.yaml", text), &environment, &loader)
        .and_then(|document| snapshot::compile(document, &loader))
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn loads_without_a_word() {
    for url in [
        "https://gw.example.com",
        "http://localhost:9420",
        "http://[::1]:9421",
        "https://gw.example.com:8443/",
    ] {
        let snapshot = loaded(url);
        assert_eq!(snapshot.warnings, []);
        assert!(snapshot.authorization_server.is_some() && snapshot.mcp.is_some() && snapshot.llm.is_some());
        assert_eq!(snapshot.authorization_server.unwrap().metadata_clients.unwrap().pinned.len(), 2);
    }
}

#[test]
fn tools_alone_need_no_model_provider() {
    let public_url = &"http://localhost:9420".parse().unwrap();
    let values =
        Starter { public_url, username: "ada", password_hash: PHC, key_hash: None, audit_key: AUDIT_KEY };
    let text = starter(&values).unwrap();
    assert!(!text.contains("@models@") && !text.contains("@end@"), "{text}");
    assert!(!text.contains("ANTHROPIC") && !text.contains("LLM") && !text.contains("\n\n\n"), "{text}");
    let loader = MemoryLoader::empty();
    let snapshot = Document::read(&Source::new("gatehouse.yaml", text), &Environment::default(), &loader)
        .and_then(|document| snapshot::compile(document, &loader))
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(snapshot.warnings, []);
    assert!(snapshot.authorization_server.is_some() && snapshot.mcp.is_some() && snapshot.llm.is_none());
}

#[test]
fn the_listener_follows_the_public_url() {
    for (url, address, proxies) in [
        ("http://localhost:21430", "127.0.0.1:21430", 0),
        ("http://127.0.0.2:9421", "127.0.0.2:9421", 0),
        ("http://[::1]:9420/", "[::1]:9420", 0),
        ("https://gw.example.com", "127.0.0.1:9420", 1),
    ] {
        let snapshot = loaded(url);
        assert_eq!(snapshot.public.address.to_string(), address);
        assert_eq!(snapshot.ingress.origin, url.trim_end_matches('/'));
        assert_eq!(snapshot.ingress.trusted_proxies.len(), proxies, "{url}");
        assert!(snapshot.admin.address.ip().is_loopback());
    }
}

#[test]
fn one_token_opens_tools_and_models_and_names_the_groups() {
    let snapshot = loaded("https://gw.example.com");
    let endpoint = Audience::new("https://gw.example.com/mcp");
    let servers = snapshot.llm.unwrap().protection.unwrap().servers;
    assert!(servers.iter().all(|server| matches!(server.keys, KeySource::Local)));
    assert!(servers.iter().any(|server| server.audiences.contains(&endpoint)));
    let provider = snapshot.authorization_server.unwrap();
    let registered = provider.clients.values().map(|registered| &registered.client);
    let documents = &provider.metadata_clients.unwrap().template;
    let claims = registered.map(|client| &client.access_token.claims).chain([&documents.access_token.claims]);
    for claims in claims {
        let names: Vec<&str> = claims.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"groups") && names.contains(&"email"), "{names:?}");
    }
}

/// The ids that Claude Code 2.1 sends of itself, and some that people choose.
#[test]
fn claude_code_finds_its_models() {
    let models = loaded("https://gw.example.com").llm.unwrap().models;
    for id in [
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
        "claude-fable-5-2",
        "claude-opus-5",
        "claude-opus-4-8",
        "claude-opus-4-7",
    ] {
        assert!(models.find(id).is_ok_and(|asked| !asked.is_open()), "{id}");
    }
    for id in ["claude-sonnet-4-6", "claude-haiku-4-5-20251001", "claude-of-tomorrow-9"] {
        assert!(models.find(id).is_ok_and(|asked| asked.is_open()), "{id}");
    }
    assert!(models.find("gpt-4").is_err());
}

#[test]
fn values_cannot_become_structure() {
    let found = written("https://gw.example.com", "ada\"\n  - username: eve");
    assert_eq!(found, Err(StarterError("username")));
}

#[test]
fn only_origins_are_public_urls() {
    let refused = |text: &str| text.parse::<PublicUrl>().unwrap_err().to_string();
    for text in ["gw.example.com", "ftp://gw.example.com", "", "https://"] {
        assert!(refused(text).starts_with("expected an origin such as"), "{text:?}");
    }
    for text in [
        "https://gw.example.com/a",
        "https://gw.example.com?a",
        "https://a@gw.example.com",
        "https://gw.example.com/#",
    ] {
        assert!(refused(text).contains("without a path"), "{text:?}");
    }
    assert!(refused("http://gw.example.com").contains("must be https"));
    assert_eq!(
        "https://GW.example.com:443/".parse::<PublicUrl>().unwrap().as_str(),
        "https://gw.example.com"
    );
}
