use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::task::TaskTracker;
use url::Url;

use gatehouse_config::snapshot::discovery::Discovery;

use super::{Document, FetchError, Fetcher, Names, Trust};
use crate::memory::{Memory, MemoryLimits};
use crate::outbound::guard::{AddressGuard, Blocked};

/// Answers of a resolver, in order; the last one stays.
pub(super) struct Script {
    answers: Mutex<VecDeque<Vec<&'static str>>>,
    asked: AtomicUsize,
}

impl Script {
    pub(super) fn next(&self, port: u16) -> Vec<SocketAddr> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        let addresses = answer.unwrap_or_default();
        addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect()
    }
}

/// A name, the resolver's answers for it, and servers on loopback addresses: 127.0.0.1 is the internal one, the
/// rest of 127/8 stands for the internet.
pub(crate) struct World {
    pub(crate) fetcher: Fetcher,
    script: Arc<Script>,
    tls: TlsAcceptor,
    pub(crate) port: u16,
}

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

impl World {
    /// The same with so much memory for answers.
    pub(crate) fn with_room(mut self, bytes: usize) -> Self {
        self.fetcher.memory = Memory::new(MemoryLimits { total: bytes, per_holder: bytes });
        self
    }

    pub(crate) fn new(answers: &[&[&'static str]]) -> Self {
        let signed = rcgen::generate_simple_self_signed(["docs.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(signed.signing_key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(signed.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        let script = Arc::new(Script { answers: Mutex::new(answers), asked: AtomicUsize::new(0) });
        let fetcher = Fetcher {
            guard: AddressGuard::blocking(&["127.0.0.1/32", "::/0"]),
            names: Names::Scripted(Arc::clone(&script)),
            tls: TlsConnector::from(Arc::new(client)),
            memory: Memory::default(),
        };
        Self { fetcher, script, tls: TlsAcceptor::from(Arc::new(server)), port: 0 }
    }

    /// Answers every TLS connection to `ip` with `reply`; counts the connections.
    pub(crate) async fn serve(&mut self, ip: &str, reply: &str) -> Arc<AtomicUsize> {
        let listener = TcpListener::bind(format!("{ip}:{}", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        self.answer(listener, reply)
    }

    /// [`Self::serve`] at two addresses with one port. A port that is free at one address may be somebody's at the
    /// other, so both are taken before either is used.
    async fn serve_both(&mut self, ips: [&str; 2], reply: &str) -> [Arc<AtomicUsize>; 2] {
        loop {
            let first = TcpListener::bind(format!("{}:0", ips[0])).await.unwrap();
            let port = first.local_addr().unwrap().port();
            if let Ok(second) = TcpListener::bind(format!("{}:{port}", ips[1])).await {
                self.port = port;
                return [self.answer(first, reply), self.answer(second, reply)];
            }
        }
    }

    fn answer(&self, listener: TcpListener, reply: &str) -> Arc<AtomicUsize> {
        let reply = reply.to_owned();
        let (tls, connections) = (self.tls.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&connections);
        TaskTracker::new().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = tls.accept(stream).await else { continue };
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                if reply.is_empty() {
                    TaskTracker::new().spawn(async move {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        drop(stream);
                    });
                    continue;
                }
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        connections
    }

    async fn get(&self, url: &str) -> Result<Document, FetchError> {
        let url = Url::parse(&url.replace("PORT", &self.port.to_string())).unwrap();
        self.fetcher.get_json(&url, &Trust::Public, 64).await
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    let mut world = World::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let [outside, inside] = world.serve_both(["127.0.0.2", "127.0.0.1"], JSON).await;
    assert_eq!(world.get("https://docs.example:PORT/client").await.unwrap().bytes, "{}");
    assert_eq!(world.script.asked.load(Ordering::SeqCst), 1, "one look-up for check and connection");
    let rebound = world.get("https://docs.example:PORT/client").await;
    assert!(matches!(rebound, Err(FetchError::Blocked(Blocked::Special { .. }))), "{rebound:?}");
    assert_eq!((outside.load(Ordering::SeqCst), inside.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn one_internal_address_in_the_answer_spoils_it() {
    for answer in [["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "::ffff:127.0.0.1"]]
    {
        let mut world = World::new(&[&answer]);
        let outside = world.serve("127.0.0.2", JSON).await;
        let refused = world.get("https://docs.example:PORT/").await;
        assert!(matches!(refused, Err(FetchError::Blocked(_))), "{answer:?}: {refused:?}");
        assert_eq!(outside.load(Ordering::SeqCst), 0, "{answer:?}");
    }
}

#[tokio::test]
async fn a_dead_address_leads_to_the_next_one() {
    let mut world = World::new(&[&["127.0.0.3", "127.0.0.2"]]);
    world.serve("127.0.0.2", JSON).await;
    assert_eq!(world.get("https://docs.example:PORT/").await.unwrap().bytes, "{}");
    let nobody = World::new(&[&[]]);
    assert!(matches!(
        nobody.get("https://docs.example:PORT/").await,
        Err(FetchError::Blocked(Blocked::NoAddress(_)))
    ));
}

#[tokio::test]
async fn urls_that_the_public_may_not_name_are_refused_before_any_look_up() {
    let world = World::new(&[&["127.0.0.2"]]);
    for url in [
        "http://docs.example/",
        "https://user@docs.example/",
        "https://user:pass@docs.example/",
        "ftp://docs.example/",
    ] {
        assert!(matches!(world.get(url).await, Err(FetchError::Url(_))), "{url}");
    }
    for url in
        ["https://localhost/", "https://metadata.internal/", "https://printer.local./", "https://x.onion/"]
    {
        assert!(matches!(world.get(url).await, Err(FetchError::Blocked(Blocked::LocalName(_)))), "{url}");
    }
    assert_eq!(world.script.asked.load(Ordering::SeqCst), 0);
}

/// The real table, on addresses as they can be written in a URL.
#[tokio::test]
async fn addresses_in_every_spelling_are_checked() {
    let mut world = World::new(&[]);
    world.fetcher.guard = AddressGuard::new();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[fc00::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[2001:db8::1]",
        "[2001::1]",
    ] {
        let refused = world.get(&format!("https://{host}:9/")).await;
        assert!(matches!(refused, Err(FetchError::Blocked(_))), "{host}: {refused:?}");
    }
}

#[tokio::test]
async fn answers_that_are_no_small_json_document_are_refused() {
    type Check = fn(&FetchError) -> bool;
    let status: Check = |error| matches!(error, FetchError::Status { .. });
    let not_json: Check = |error| matches!(error, FetchError::NotJson { .. });
    let body: Check = |error| matches!(error, FetchError::Body(_));
    let coded: Check = |error| matches!(error, FetchError::Coded { .. });
    let cases: [(&'static str, Check); 9] = [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: deflate\r\n\
             content-length: 2\r\n\r\n{}",
            coded,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
             content-length: 2\r\n\r\n{}",
            body,
        ),
        ("HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1/\r\ncontent-length: 0\r\n\r\n", status),
        ("HTTP/1.1 307 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n", status),
        ("HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}", status),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n{}", not_json),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", not_json),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\
             {\"more than sixty-four bytes\": \"............................................\"}",
            body,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{}", body),
    ];
    for (reply, expected) in cases {
        let mut world = World::new(&[&["127.0.0.2"]]);
        let connections = world.serve("127.0.0.2", reply).await;
        let error = world.get("https://docs.example:PORT/").await.unwrap_err();
        assert!(expected(&error), "{reply:?}: {error:?}");
        assert_eq!(connections.load(Ordering::SeqCst), 1, "a redirect is not followed");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_read_up_to_a_limit() {
    const LIMIT: usize = 64 * 1024;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for (begin, piece) in [
        (format!("{head}\r\n"), "x".repeat(4096)),
        (format!("{head}transfer-encoding: chunked\r\n\r\n"), format!("1000\r\n{}\r\n", "x".repeat(4096))),
        (format!("{head}content-length: 1000000000000\r\n\r\n"), "x".repeat(4096)),
        (format!("{head}x-endless: "), "x".repeat(4096)),
        (head.to_owned(), format!("x: {}\r\n", "x".repeat(4096))),
        (format!("{head}transfer-encoding: chunked\r\n\r\n"), "1;x=y\r\nx\r\n".repeat(400)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let said = begin.clone();
        let sent = TaskTracker::new().spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            let mut sent = 0;
            while stream.write_all(piece.as_bytes()).await.is_ok() {
                sent += piece.len();
            }
            sent
        });
        let fetcher = World::new(&[]).fetcher;
        let refused = fetcher.get_json(&url, &Trust::Configured(vec![url.origin()]), LIMIT).await;
        assert!(refused.is_err(), "{begin:?}");
        // What lies in the buffers of the two sockets was sent and never read.
        let sent = sent.await.unwrap();
        assert!(sent < 16 * 1024 * 1024, "{begin:?}: {sent} bytes");
    }
}

#[tokio::test]
async fn cache_control_says_how_long_a_document_may_be_kept() {
    for (header, expected) in [
        ("max-age=60", Some(60)),
        ("public, Max-Age=7", Some(7)),
        ("no-store", Some(0)),
        ("max-age=60, no-cache", Some(0)),
        ("private", None),
    ] {
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/jwk-set+json; charset=utf-8\r\ncache-control: {header}\r\n\
             content-length: 2\r\n\r\n{{}}"
        );
        let mut world = World::new(&[&["127.0.0.2"]]);
        world.serve("127.0.0.2", &reply).await;
        let document = world.get("https://docs.example:PORT/").await.unwrap();
        assert_eq!(document.max_age.map(|age| age.as_secs()), expected, "{header}");
    }
}

#[tokio::test]
async fn the_certificate_must_be_of_the_name_in_the_url() {
    let mut world = World::new(&[&["127.0.0.2"]]);
    world.serve("127.0.0.2", JSON).await;
    let refused = world.get("https://other.example:PORT/").await;
    assert!(matches!(refused, Err(FetchError::Unreachable { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let mut world = World::new(&[&["127.0.0.2"]]);
    world.serve("127.0.0.2", "").await;
    let started = Instant::now();
    let refused = world.get("https://docs.example:PORT/").await;
    assert!(matches!(refused, Err(FetchError::Timeout(_))), "{refused:?}");
    assert!(started.elapsed() >= super::TOTAL_TIMEOUT, "no sooner than the limit");
}

#[tokio::test]
async fn a_configured_origin_may_be_internal_and_no_other() {
    let mut world = World::new(&[&["127.0.0.1"]]);
    world.serve("127.0.0.1", JSON).await;
    let url = Url::parse(&format!("https://docs.example:{}/keys", world.port)).unwrap();
    let trust = Trust::configured(&Discovery::at(url.clone()));
    assert_eq!(world.fetcher.get_json(&url, &trust, 64).await.unwrap().bytes, "{}");
    for other in ["http://docs.example:PORT/", "https://docs.example/", "https://other.example:PORT/"] {
        let other = Url::parse(&other.replace("PORT", &world.port.to_string())).unwrap();
        let refused = world.fetcher.get_json(&other, &trust, 64).await;
        assert!(
            matches!(refused, Err(FetchError::Undeclared { .. } | FetchError::Url(_))),
            "{other}: {refused:?}"
        );
    }
}

/// A metadata document may send us to the internet, but on the internal network only where the operator says.
#[tokio::test]
async fn a_document_names_no_internal_host_unless_the_operator_does() {
    let mut world = World::new(&[&["127.0.0.1"]]);
    world.serve("127.0.0.1", JSON).await;
    let port = world.port;
    let keys = Url::parse(&format!("https://docs.example:{port}/keys")).unwrap();
    let document = Url::parse("https://idp.example/.well-known/openid-configuration").unwrap();
    let alone = Discovery::at(document);
    let refused = world.fetcher.get_json(&keys, &Trust::configured(&alone), 64).await;
    let expected = format!(
        "a metadata document names https://docs.example:{port}, but 127.0.0.1 is not a public address (127.0.0.1/32: in \
         this test); if that host is meant, write it under `allowedHosts`, beside the URL of the document"
    );
    assert_eq!(refused.unwrap_err().to_string(), expected);
    let local = Url::parse("https://keys.internal/").unwrap();
    let refused = world.fetcher.get_json(&local, &Trust::configured(&alone), 64).await;
    assert!(refused.unwrap_err().to_string().contains("\"keys.internal\" is a local name"));

    let another = Discovery { allowed: vec![local.origin()], ..alone.clone() };
    let refused = world.fetcher.get_json(&keys, &Trust::configured(&another), 64).await;
    assert!(matches!(refused, Err(FetchError::Undeclared { .. })), "{refused:?}");
    let allowed = Discovery { allowed: vec![local.origin(), keys.origin()], ..alone };
    let fetched = world.fetcher.get_json(&keys, &Trust::configured(&allowed), 64).await;
    assert_eq!(fetched.unwrap().bytes, "{}");
    // The word of the operator is for documents of the configuration, not for those of strangers.
    let refused = world.fetcher.get_json(&keys, &Trust::Public, 64).await;
    assert!(matches!(refused, Err(FetchError::Blocked(_))), "{refused:?}");
}
