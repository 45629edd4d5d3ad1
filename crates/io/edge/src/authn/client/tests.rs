use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::sink::{AuditError, AuditSink};
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, RequestId};
use gatehouse_identity::rng::Rng;
use gatehouse_oauth::cimd::{ClientMetadataUrl, MetadataDocument};
use gatehouse_testkit::configuration::snapshot;
use http::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ClientDirectory;
use crate::context::{AuditRow, Context, Head, Public, Trace};
use crate::lane::policy::PolicyLane;
use crate::memory::Memory;
use crate::outbound::fetch::tests::World;
use crate::server::address::ClientAddress;

/// A request to a server with these `clientIDMetadata`, whose records go nowhere.
fn asking(metadata: &str) -> Context<Public> {
    recorded(metadata, &Arc::default())
}

/// A request to a server with these `clientIDMetadata`.
fn recorded(metadata: &str, records: &Arc<Records>) -> Context<Public> {
    let text = format!(
        r#"
http: {{ address: "127.0.0.1:9420", publicURL: "http://127.0.0.1:9420" }}
connectors:
  - name: staff
    type: local
    users:
      - username: ada
        passwordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"
oidcProvider:
  discovery: {{ issuer: "http://127.0.0.1:9420" }}
  clientIDMetadata: {metadata}
apps:
  - name: cli
    type: oidc
    clientID: cli
    public: true
    redirectURLs: ["http://127.0.0.1/callback"]
    defaultAudience: http://127.0.0.1:9420/mcp
    allowedAudiences: ["http://127.0.0.1:9420/mcp"]
    authentication: {{ idps: [staff] }}
"#
    );
    let now = Timestamp::from_unix_seconds(1_795_271_974);
    let event = Event::new(EventKind::AuthorizationRequest, Outcome::Allow, now);
    let sink = Arc::clone(records) as Arc<dyn AuditSink>;
    let loopback: std::net::IpAddr = "127.0.0.1".parse().unwrap();
    Context {
        who: Public::new(),
        head: Head::admit(Arc::new(Request::new(()).into_parts().0)).unwrap(),
        snapshot: Arc::new(snapshot(&text)),
        now,
        source: ClientAddress { ip: loopback.into(), peer_ip: loopback },
        request_id: RequestId::new("req_1"),
        policies: Arc::new(PolicyLane::start().unwrap()),
        audit: Some(AuditRow::begin(event, sink, Duration::from_secs(60), Arc::default())),
        trace: Trace::join(None, &Zeros),
        segment: None,
        limits: Arc::default(),
        memory: Memory::default(),
    }
}

/// Audit records in memory.
#[derive(Default)]
struct Records(Mutex<Vec<Event>>);

#[async_trait]
impl AuditSink for Records {
    async fn append(&self, event: Event) -> Result<(), AuditError> {
        self.submit(event)
    }

    fn submit(&self, event: Event) -> Result<(), AuditError> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }
}

struct Zeros;

impl Rng for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn reply(id: &str) -> String {
    let document = json!({
        "client_id": id, "client_name": "Docs", "redirect_uris": ["http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"],
    })
    .to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    )
}

/// A port that nobody has: the document names the URL that it is served at.
async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap().port()
}

const OPEN: &str = "{ enabled: true, allowedHosts: [docs.example] }";

/// Believes `docs.example` at `port`.
fn open_at(port: u16) -> Context<Public> {
    asking(&format!("{{ enabled: true, allowedHosts: [\"docs.example:{port}\"] }}"))
}

#[tokio::test]
async fn registered_and_pinned_clients_need_no_network() {
    let world = World::new(&[]);
    let directory = ClientDirectory::new(world.fetcher);
    let context = asking("{ enabled: true, allowedHosts: [claude.ai] }");
    let found = directory.find(&ClientId::new("cli"), &context).await.unwrap();
    assert_eq!(found.client.id.as_str(), "cli");
    let pinned = "https://claude.ai/oauth/claude-code-client-metadata";
    let found = directory.find(&ClientId::new(pinned), &context).await.unwrap();
    assert_eq!(found.client.id.as_str(), pinned);
}

#[tokio::test]
async fn others_are_unknown_or_not_trusted() {
    let world = World::new(&[]);
    let directory = ClientDirectory::new(world.fetcher);
    let (open, closed, other_port) = (asking(OPEN), asking("{ enabled: false }"), open_at(8443));
    for (context, id, expected) in [
        (&open, "nobody", "client_unknown"),
        (&open, "http://docs.example/client", "client_unknown"),
        (&open, "https://evil.example/client", "client_host_untrusted"),
        (&open, "https://docs.example.evil.example/client", "client_host_untrusted"),
        (&open, "https://sub.docs.example/client", "client_host_untrusted"),
        (&open, "https://docs.example:22/client", "client_host_untrusted"),
        (&open, "https://docs.example:80/client", "client_host_untrusted"),
        (&other_port, "https://docs.example/client", "client_host_untrusted"),
        (&other_port, "https://docs.example:443/client", "client_host_untrusted"),
        (&closed, "https://docs.example/client", "client_unknown"),
    ] {
        let refused =
            directory.find(&ClientId::new(id), context).await.err().map(|rejection| rejection.reason);
        assert_eq!(refused, Some(expected), "{id}");
    }
}

#[tokio::test]
async fn a_document_is_fetched_once_for_all_and_kept() {
    let mut world = World::new(&[&["127.0.0.2"]]);
    world.port = free_port().await;
    let id = format!("https://docs.example:{}/client", world.port);
    let fetches = world.serve("127.0.0.2", &reply(&id)).await;
    let directory = ClientDirectory::new(world.fetcher.clone());
    let context = open_at(world.port);
    let client = ClientId::new(id.as_str());
    let found = futures_util::future::join_all((0..32).map(|_| directory.find(&client, &context))).await;
    for found in found {
        assert_eq!(found.unwrap().client.id, client);
    }
    directory.find(&client, &context).await.unwrap();
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_neither_kept_nor_asked_for_again_at_once() {
    let mut world = World::new(&[&["127.0.0.2"]]);
    let fetches = world.serve("127.0.0.2", &reply("https://docs.example/another-client")).await;
    let directory = ClientDirectory::new(world.fetcher.clone());
    let context = open_at(world.port);
    let client = ClientId::new(format!("https://docs.example:{}/client", world.port));
    let mut reasons = Vec::new();
    for _ in 0..5 {
        reasons
            .push(directory.find(&client, &context).await.err().map(|rejection| rejection.reason).unwrap());
    }
    assert_eq!(reasons[0], "client_document_unusable");
    assert!(reasons[1..].iter().all(|reason| *reason == "client_document_throttled"), "{reasons:?}");
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

/// Whoever makes up paths of a host keeps nobody out who was in before.
#[tokio::test]
async fn the_last_good_document_stands_in_while_no_other_can_be_had() {
    let mut world = World::new(&[&["127.0.0.2"]]);
    world.port = free_port().await;
    let id = format!("https://docs.example:{}/client", world.port);
    let fetches = world.serve("127.0.0.2", &reply(&id)).await;
    let directory = ClientDirectory::new(world.fetcher.clone());
    let context = open_at(world.port);
    let client = ClientId::new(id.as_str());
    directory.find(&client, &context).await.unwrap();
    for number in 0..10 {
        let made_up = ClientId::new(format!("https://docs.example:{}/{number}", world.port));
        assert!(directory.find(&made_up, &context).await.is_err());
    }
    let unseen = ClientId::new(format!("https://docs.example:{}/unseen", world.port));
    let refused = directory.find(&unseen, &context).await.err().map(|rejection| rejection.reason);
    assert_eq!(refused, Some("client_document_throttled"));
    // Its time is over: it is fetched again, whatever was asked of its host.
    directory.documents.invalidate(client.as_str()).await;
    let before = fetches.load(Ordering::SeqCst);
    directory.find(&client, &context).await.unwrap();
    assert_eq!(fetches.load(Ordering::SeqCst), before + 1);
    // It cannot be fetched: the one from before stands in.
    directory.documents.invalidate(client.as_str()).await;
    directory.budget.failed(client.as_str(), Instant::now());
    let found = directory.find(&client, &context).await.unwrap();
    assert_eq!(found.client.id, client);
    assert_eq!(fetches.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn only_the_word_of_the_host_ends_a_client() {
    let gone = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let challenged = "HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n";
    let broken = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi";
    let other = reply("https://docs.example/another-client");
    // There is no room for a decoder of this size, which is nobody's word but our own.
    let coded = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\nx";
    for (answer, reason, stands_in) in [
        (gone, "client_document_unusable", false),
        (other.as_str(), "client_document_unusable", false),
        (challenged, "client_document_unavailable", true),
        (broken, "client_document_unavailable", true),
        (page, "client_document_unavailable", true),
        (coded, "client_document_unavailable", true),
    ] {
        let mut world = World::new(&[&["127.0.0.2"]]).with_room(1 << 20);
        let _fetches = world.serve("127.0.0.2", answer).await;
        let id = format!("https://docs.example:{}/client", world.port);
        let context = open_at(world.port);
        let client = ClientId::new(id.as_str());
        let strange = ClientDirectory::new(world.fetcher.clone());
        let refused = strange.find(&client, &context).await.err().unwrap();
        assert_eq!((refused.reason, refused.kind.is_failure()), (reason, stands_in), "{answer}");

        let known = ClientDirectory::new(world.fetcher.clone());
        let text = reply(&id);
        let document = text.split_once("\r\n\r\n").unwrap().1.as_bytes();
        let document = MetadataDocument::parse(&ClientMetadataUrl::parse(&id).unwrap(), document).unwrap();
        known.last_good.insert(id.clone(), Arc::new(document)).await;
        assert_eq!(known.find(&client, &context).await.is_ok(), stands_in, "{answer}");
        assert_eq!(known.last_good.contains_key(&id), stands_in, "{answer}");
    }
}

#[tokio::test]
async fn every_document_that_was_asked_for_is_on_record() {
    let mut world = World::new(&[&["127.0.0.2"]]);
    world.port = free_port().await;
    let host = format!("https://docs.example:{}", world.port);
    let _fetches = world.serve("127.0.0.2", &reply(&format!("{host}/client"))).await;
    let directory = ClientDirectory::new(world.fetcher.clone());
    let records = Arc::new(Records::default());
    let context = recorded(&format!("{{ allowedHosts: [\"docs.example:{}\"] }}", world.port), &records);
    for (path, expected) in [
        ("client", Some(("allow", Value::Null))),
        ("another", Some(("deny", json!("client_document_unusable")))),
        // Held, and refused before anything is asked.
        ("client", None),
        ("another", None),
    ] {
        let id = format!("{host}/{path}");
        let found = directory.find(&ClientId::new(id.as_str()), &context).await;
        assert_eq!(found.is_ok(), path == "client", "{path}");
        let records: Vec<Event> = std::mem::take(&mut *records.0.lock().unwrap());
        assert_eq!(records.len(), usize::from(expected.is_some()), "{records:?}");
        let (Some((outcome, reason)), Some(record)) = (expected, records.first()) else { continue };
        let record = serde_json::to_value(record).unwrap();
        assert_eq!((&record["event"], &record["outcome"]), (&json!("client.metadata"), &json!(outcome)));
        assert_eq!(record["reason"], reason, "{record}");
        assert_eq!(record["actor"]["client_id"], json!(id), "{record}");
        assert_eq!(record["target"]["upstream"], json!(host), "{record}");
        assert_eq!(record["request"]["id"], json!("req_1"), "{record}");
    }
}
