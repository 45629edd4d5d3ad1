use gatehouse_config::document::Document;
use gatehouse_config::snapshot::compile;
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::MemoryLoader;

use super::*;
use crate::demo::directory::OPENAPI;
use crate::host::SystemRng;

fn written() -> String {
    let peers = Peers {
        directory: "http://127.0.0.1:4001".into(),
        ledger: "http://127.0.0.1:4002/mcp".parse().unwrap(),
        provider: "http://127.0.0.1:4003".into(),
    };
    text(Ports { public: 9420, admin: 9421 }, &Credentials::new(&SystemRng), &peers).unwrap()
}

#[test]
fn every_placeholder_is_filled() {
    let text = written();
    let left: Vec<&str> =
        text.split('@').skip(1).step_by(2).filter(|name| TEMPLATE.contains(&format!("@{name}@"))).collect();
    assert!(
        !text.contains("@port@") && left.iter().all(|name| name.contains(' ') || name.contains('.')),
        "{left:?}"
    );
}

#[test]
fn compiles_to_the_world_that_the_demo_promises() {
    let loader = MemoryLoader::empty().with(OPENAPI_FILE, OPENAPI);
    let document = Document::read(&Source::new(FILE, written()), &Environment::default(), &loader);
    let snapshot = compile(document.unwrap_or_else(|problems| panic!("{problems:?}")), &loader);
    let snapshot = snapshot.unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(snapshot.warnings, []);
    assert_eq!(snapshot.ingress.origin, "http://localhost:9420");
    assert!(snapshot.ingress.allowed_hosts.contains(&"127.0.0.1:9420".to_owned()));
    let mcp = snapshot.mcp.unwrap();
    assert_eq!(mcp.resource, "http://localhost:9420/mcp");
    assert_eq!(mcp.apps.iter().map(|app| app.name.as_str()).collect::<Vec<_>>(), ["directory", "ledger"]);
    assert!(mcp.apps.iter().all(|app| app.inbound.len() == 1 && app.listing.len() == 1));
    let metadata = snapshot.authorization_server.unwrap().metadata_clients.unwrap();
    assert_eq!(metadata.pinned.len(), 2);
    assert_eq!(snapshot.llm.unwrap().accounts.len(), 1);
}
