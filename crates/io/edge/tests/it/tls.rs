//! TLS at the listener: versions, client certificates, and certificates that change under running connections.

use std::sync::Arc;

use http::{Method, Request};
use http_body_util::BodyExt as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use gatehouse_config::snapshot::tls::{Certificate as Shown, ClientAuth, TlsProfile, TlsVersion};
use gatehouse_edge::memory::Memory;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::server::body;
use gatehouse_edge::server::routes::Route;
use gatehouse_edge::server::tls::{Certificate, ClientCertificates, OldestVersion, server_config};
use gatehouse_identity::secret::Secret;

use crate::house::{House, Plan, plain, text};
use crate::peer::{LONG, permitted, raw};
use crate::unread;

/// A certificate that signs itself.
struct Identity {
    chain: String,
    key: String,
}

impl Identity {
    fn of(name: &str) -> Self {
        let signed = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        Self { chain: signed.cert.pem(), key: signed.signing_key.serialize_pem() }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()
    }

    fn certificate(&self) -> Arc<Certificate> {
        Arc::new(Certificate::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap())
    }
}

async fn house(certificate: Arc<Certificate>, clients: &ClientCertificates, oldest: OldestVersion) -> House {
    let tls = server_config(certificate, clients, oldest).unwrap();
    let routes = |_: &crate::house::Site| {
        vec![Route::public("open", Method::GET, "/", plain, |_body, _context| async { text("here") })]
    };
    House::with(Plan { tls: Some(tls), ..Plan::default() }, routes).await
}

/// A client that trusts `server` alone.
struct Client<'a> {
    server: &'a Identity,
    versions: &'a [&'static rustls::SupportedProtocolVersion],
    own: Option<&'a Identity>,
}

impl Client<'_> {
    async fn connect(&self, house: &House) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.server.der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match self.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![own.der()], key).unwrap()
            }
        };
        let stream = TcpStream::connect(house.address()).await?;
        let name = ServerName::try_from("gw.example").unwrap();
        timeout(LONG, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
    }

    /// Whether a request is answered.
    async fn is_served(&self, house: &House) -> bool {
        match self.connect(house).await {
            Ok(mut stream) => ask(&mut stream).await.contains("here"),
            Err(_) => false,
        }
    }
}

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
const ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// One request; what could be read of its answer.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let request = b"GET / HTTP/1.1\r\nhost: gw.example\r\n\r\n";
    if stream.write_all(request).await.is_err() {
        return String::new();
    }
    let (mut read, mut buffer) = (String::new(), [0; 1024]);
    while !read.ends_with("here") {
        match timeout(LONG, stream.read(&mut buffer)).await.unwrap() {
            Ok(0) | Err(_) => break,
            Ok(count) => read.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
    }
    read
}

#[tokio::test]
async fn the_oldest_version_is_what_the_profile_says() {
    let identity = Identity::of("gw.example");
    for (oldest, served) in [(OldestVersion::Tls12, true), (OldestVersion::Tls13, false)] {
        let house = house(identity.certificate(), &ClientCertificates::Ignored, oldest).await;
        let old = Client { server: &identity, versions: ONLY_12, own: None };
        assert_eq!(old.is_served(&house).await, served, "TLS 1.2 with {oldest:?}");
        let new = Client { server: &identity, versions: BOTH, own: None };
        assert!(new.is_served(&house).await);
        let stream = new.connect(&house).await.unwrap();
        let version = stream.get_ref().1.protocol_version();
        assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_3));
    }
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_not_served() {
    let identity = Identity::of("gw.example");
    let house = house(identity.certificate(), &ClientCertificates::Ignored, OldestVersion::Tls12).await;
    let answer = raw(house.address(), b"GET / HTTP/1.1\r\nhost: gw.example\r\n\r\n").await;
    assert_eq!(answer.status, 0, "{answer:?}");
}

/// The connection says that it ends before it has read all, and reads on all the same.
#[tokio::test]
async fn who_is_refused_while_sending_reads_why() {
    let identity = Identity::of("gw.example");
    let clients = ClientCertificates::Ignored;
    let tls = server_config(identity.certificate(), &clients, OldestVersion::Tls12).unwrap();
    let house = House::with(Plan { tls: Some(tls), ..Plan::default() }, unread::routes).await;
    let body = vec![b'x'; 8 * 1024 * 1024];
    for (versions, offer) in [(BOTH, ""), (ONLY_12, ""), (BOTH, "connection: upgrade\r\nupgrade: h2c\r\n")] {
        let client = Client { server: &identity, versions, own: None };
        let stream = client.connect(&house).await.unwrap();
        let length = body.len();
        let head =
            format!("POST /read HTTP/1.1\r\nhost: gw.example\r\n{offer}content-length: {length}\r\n\r\n");
        let answer = unread::talk(stream, &[head.as_bytes(), &body]).await;
        assert_eq!(answer.verdict(), (413, "body_too_large"), "{offer:?}: {answer:?}");
    }
}

#[tokio::test]
async fn client_certificates_are_ignored_optional_or_required() {
    let (server, known, stranger) =
        (Identity::of("gw.example"), Identity::of("client.example"), Identity::of("client.example"));
    let authorities = vec![known.der().to_vec()];
    for (clients, expected) in [
        (ClientCertificates::Ignored, [true, true, true]),
        (ClientCertificates::Optional(authorities.clone()), [true, true, false]),
        (ClientCertificates::Required(authorities), [false, true, false]),
    ] {
        let house = house(server.certificate(), &clients, OldestVersion::Tls12).await;
        let mut served = [false; 3];
        for (served, own) in served.iter_mut().zip([None, Some(&known), Some(&stranger)]) {
            *served = Client { server: &server, versions: BOTH, own }.is_served(&house).await;
        }
        assert_eq!(served, expected, "{clients:?}");
    }
}

#[tokio::test]
async fn a_certificate_changes_under_running_connections() {
    let (old, new) = (Identity::of("gw.example"), Identity::of("gw.example"));
    let certificate = old.certificate();
    let house = house(Arc::clone(&certificate), &ClientCertificates::Ignored, OldestVersion::Tls12).await;
    let trusts_old = Client { server: &old, versions: BOTH, own: None };
    let trusts_new = Client { server: &new, versions: BOTH, own: None };
    let mut running = trusts_old.connect(&house).await.unwrap();
    assert!(ask(&mut running).await.contains("here"));
    assert!(!trusts_new.is_served(&house).await);

    certificate.replace(new.chain.as_bytes(), new.key.as_bytes()).unwrap();
    assert!(ask(&mut running).await.contains("here"), "a running connection goes on");
    assert!(trusts_new.is_served(&house).await);
    assert!(!trusts_old.is_served(&house).await, "the next handshake shows the new one");

    let mismatched = certificate.replace(old.chain.as_bytes(), new.key.as_bytes());
    let unreadable = certificate.replace(b"-----BEGIN CERTIFICATE-----\n????", new.key.as_bytes());
    let keyless = certificate.replace(new.chain.as_bytes(), b"");
    assert!(mismatched.is_err() && unreadable.is_err() && keyless.is_err());
    assert!(trusts_new.is_served(&house).await, "what cannot be used changes nothing");
}

/// A profile that trusts `server` and shows `own`.
fn profile(server: &Identity, own: Option<&Identity>, min_version: TlsVersion) -> Arc<TlsProfile> {
    let shown = |own: &Identity| Shown {
        chain_file: String::new(),
        key_file: String::new(),
        chain: own.chain.clone().into_bytes(),
        key: Secret::new(own.key.clone()),
    };
    Arc::new(TlsProfile {
        name: "internal".to_owned(),
        certificate: own.map(shown),
        roots: Some(server.chain.clone().into_bytes()),
        client_auth: ClientAuth::None,
        client_roots: Vec::new(),
        min_version,
    })
}

/// What an upstream answers through `profile`, or why it could not be asked.
async fn through(profile: Option<&Arc<TlsProfile>>, house: &House) -> String {
    let outbound = Outbound::new(profile.map(AsRef::as_ref), Memory::default()).unwrap();
    let request = Request::get(format!("https://{}/", house.address())).body(body::empty()).unwrap();
    let (to, request) = permitted(request);
    match outbound.egress(profile).upstreams.send(&to, request, LONG).await {
        Ok(response) => {
            let whole = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8_lossy(&whole).into_owned()
        }
        Err(rejection) => rejection.reason.to_owned(),
    }
}

#[tokio::test]
async fn an_upstream_is_trusted_by_the_authorities_of_its_profile_alone() {
    let (server, other) = (Identity::of("127.0.0.1"), Identity::of("127.0.0.1"));
    let elsewhere = Identity::of("gw.example");
    let house = house(server.certificate(), &ClientCertificates::Ignored, OldestVersion::Tls12).await;
    let right = profile(&server, None, TlsVersion::V12);
    assert_eq!(through(Some(&right), &house).await, "here");
    let wrong = profile(&other, None, TlsVersion::V12);
    assert_eq!(through(Some(&wrong), &house).await, "upstream_unreachable");
    assert_eq!(through(None, &house).await, "upstream_unreachable", "nor by those of the system");
    let named =
        self::house(elsewhere.certificate(), &ClientCertificates::Ignored, OldestVersion::Tls12).await;
    let misnamed = profile(&elsewhere, None, TlsVersion::V12);
    assert_eq!(through(Some(&misnamed), &named).await, "upstream_unreachable", "the name counts");
}

/// Falling back to the authorities of the system would trust more than the profile says.
#[tokio::test]
async fn a_profile_that_was_not_announced_trusts_nobody() {
    let server = Identity::of("127.0.0.1");
    let house = house(server.certificate(), &ClientCertificates::Ignored, OldestVersion::Tls12).await;
    let profile = profile(&server, None, TlsVersion::V12);
    let outbound = Outbound::new([], Memory::default()).unwrap();
    let request = Request::get(format!("https://{}/", house.address())).body(body::empty()).unwrap();
    let (to, request) = permitted(request);
    let egress = outbound.egress(Some(&profile));
    let refused = egress.upstreams.send(&to, request, LONG).await.unwrap_err();
    assert_eq!(refused.reason, "upstream_unreachable");
}

#[tokio::test]
async fn an_upstream_may_want_a_certificate_of_ours() {
    let (server, own, stranger) =
        (Identity::of("127.0.0.1"), Identity::of("gateway"), Identity::of("gateway"));
    let required = ClientCertificates::Required(vec![own.der().to_vec()]);
    let house = house(server.certificate(), &required, OldestVersion::Tls12).await;
    for (own, expected) in
        [(Some(&own), "here"), (Some(&stranger), "upstream_unreachable"), (None, "upstream_unreachable")]
    {
        let profile = profile(&server, own, TlsVersion::V13);
        assert_eq!(through(Some(&profile), &house).await, expected);
    }
}

/// A server that speaks nothing newer than TLS 1.2.
#[tokio::test]
async fn an_upstream_that_is_too_old_is_not_spoken_to() {
    let server = Identity::of("127.0.0.1");
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(ONLY_12)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.der()], key)
        .unwrap();
    let routes = |_: &crate::house::Site| {
        vec![Route::public("open", Method::GET, "/", plain, |_body, _context| async { text("here") })]
    };
    let house = House::with(Plan { tls: Some(Arc::new(old)), ..Plan::default() }, routes).await;
    for (oldest, expected) in [(TlsVersion::V12, "here"), (TlsVersion::V13, "upstream_unreachable")] {
        assert_eq!(through(Some(&profile(&server, None, oldest)), &house).await, expected);
    }
}
