//! Listeners, ingress, store, sessions, audit.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::secret::Secret;
use ipnet::IpNet;
use url::Url;

use super::compiler::Compiler;
use super::origin::{is_loopback, origin_of};
use super::tls::TlsProfile;
use crate::document::Root;
use crate::document::platform as written;
use crate::document::spot::Placed;

pub(crate) use self::store::store;
pub use self::store::{PostgresPlace, Store, StorePlace};
pub use crate::document::platform::{LogLevel, Migrate, Pooler};

mod store;

/// What is logged.
#[derive(Clone, Copy, Debug)]
pub struct Logging {
    /// The least important level that is written.
    pub level: LogLevel,
}

/// One listener.
pub struct Listener {
    /// The socket.
    pub address: SocketAddr,
    /// Its TLS profile, which holds a certificate; `None` for plain HTTP.
    pub tls: Option<Arc<TlsProfile>>,
    /// The longest time that a request body may stall or crawl: within each such span at least 1 KiB per second
    /// must arrive.
    pub read_timeout: Duration,
    /// The longest time for the header of a request.
    pub read_header_timeout: Duration,
    /// How long a connection may be without any request.
    pub idle_timeout: Duration,
    /// How long running requests may take once the listener is told to stop.
    pub drain_timeout: Duration,
    /// How long event streams may take then.
    pub drain_stream_timeout: Duration,
}

/// What all connections of a listener together may take. `None` is as much as the process's own limits allow.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections of the listener for clients; the one for operators takes a tenth of them.
    pub connections: Option<u32>,
    /// Connections of one client address, or of one /64 of IPv6.
    pub per_address: Option<u32>,
    /// Connections of one trusted proxy.
    pub per_trusted_proxy: Option<u32>,
    /// Bytes of request heads that are held for requests which are not answered yet.
    pub header_bytes: u64,
}

/// What may be held of bodies and of what is made of them. `None` follows from what the process may use.
#[derive(Clone, Copy, Debug)]
pub struct BufferLimits {
    /// In all.
    pub total: Option<usize>,
    /// For one caller, one network of callers that have proven nothing, or one upstream.
    pub per_caller: Option<usize>,
    /// What the largest request that is served takes.
    pub largest_request: usize,
}

/// How requests are attributed.
#[derive(Clone, Debug)]
pub struct Ingress {
    /// `scheme://host[:port]` that clients reach this process at; every link is made from it.
    pub origin: String,
    /// The values of `Host` that are served, lower case, with their port if it is not the scheme's own.
    pub allowed_hosts: Vec<String>,
    /// The origins of foreign pages that may call what is protected, as browsers send them.
    pub allowed_origins: Vec<String>,
    /// The networks whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// Liveness.
#[derive(Clone, Debug)]
pub struct Health {
    /// The path that always answers.
    pub location: String,
    /// The level of the regular line; `None` for none.
    pub heartbeat: Option<LogLevel>,
}

/// Browser sessions at the authorization server.
#[derive(Clone, Debug)]
pub struct SessionRules {
    /// The cookie's name, without the `__Host-` prefix that https origins add.
    pub cookie_name: String,
    /// From sign-in on.
    pub max_lifetime: Duration,
    /// From the last request on.
    pub idle_lifetime: Duration,
}

/// Evidence.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The name of this process in records; `None` for the host name.
    pub node: Option<String>,
    /// The file of records, relative to the configuration file.
    pub path: String,
    /// How many records may wait before calls are refused.
    pub spool_records: u64,
    /// How long a token waits for its record before it is refused.
    pub timeout: Duration,
    /// How many refusals of strangers are written one by one.
    pub refusals: Refusals,
    /// What proves that nobody has rewritten it.
    pub checkpoints: Checkpoints,
}

/// How many refusals of strangers get a record and a log line of their own every second; the rest is counted.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// Of one kind from one network.
    pub per_network: u32,
    /// Of all.
    pub in_all: u32,
}

/// Signatures over the file of records.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    /// The Ed25519 key; without one nothing is signed.
    pub key: Option<Arc<SigningKey>>,
    /// The longest that a record waits for its signature.
    pub every: Duration,
    /// The most records that wait for one.
    pub every_records: u64,
}

/// What `http.limits.headerBytes` may be; a busy connection may hold a mebibyte.
const HEADER_BYTES: RangeInclusive<u64> = 4 * 1024 * 1024..=1024 * 1024 * 1024 * 1024;
/// More memory than any machine has.
const MOST_BUFFERED: u64 = 16 * 1024 * 1024 * 1024 * 1024;

/// The file of records when none is configured.
const AUDIT_FILE: &str = "gatehouse-audit.jsonl";

pub(crate) fn public_listener(root: &Root, compiler: &mut Compiler<'_>) -> Option<Listener> {
    let mut profile = root.http.tls.as_ref();
    for host in &root.http.hosts {
        if host.default {
            profile = profile.or(host.tls.as_ref());
        } else {
            compiler.report.error_with(
                &host.place,
                "certificates are not chosen by server name",
                "use one certificate for all names, and write `default: true`",
            );
        }
    }
    let (streams, requests) = (root.http.drain_stream_timeout.0, root.http.drain_timeout.0);
    if streams < requests {
        let message = format!(
            "event streams get {} s to end, expected no less than the {} s of drainTimeoutSeconds",
            streams.as_secs(),
            requests.as_secs()
        );
        compiler.report.error(&root.http.place.child("drainStreamTimeoutSeconds"), message);
    }
    Some(Listener {
        address: root.http.address,
        tls: listener_tls(profile, compiler).ok()?,
        read_timeout: root.http.read_timeout.0,
        read_header_timeout: root.http.read_header_timeout.0,
        idle_timeout: idle_timeout(root),
        drain_timeout: root.http.drain_timeout.0,
        drain_stream_timeout: root.http.drain_stream_timeout.0,
    })
}

/// `limits.idleSeconds`, which says of HTTP/2 too what `idleTimeoutSeconds` has always said of HTTP/1.
fn idle_timeout(root: &Root) -> Duration {
    root.http.limits.idle.as_ref().map_or(root.http.idle_timeout, |idle| idle.value).0
}

pub(crate) fn http_limits(root: &Root, compiler: &mut Compiler<'_>) -> Option<HttpLimits> {
    let limits = &root.http.limits;
    let mut most = |written: &Option<Placed<u32>>| {
        let written = written.as_ref()?;
        compiler.within(written, 1..=1_000_000)
    };
    let connections = most(&limits.connections);
    let per_address = most(&limits.per_address);
    let per_trusted_proxy = most(&limits.per_trusted_proxy);
    let header_bytes = compiler.within(&limits.header_bytes, HEADER_BYTES)?;
    Some(HttpLimits { connections, per_address, per_trusted_proxy, header_bytes })
}

/// `largest_request` is what one takes: two must fit, since one caller alone gets half of all.
pub(crate) fn buffer_limits(
    root: &Root,
    largest_request: usize,
    compiler: &mut Compiler<'_>,
) -> BufferLimits {
    let mut bytes = |written: &Option<Placed<u64>>, least: usize| {
        let bytes = compiler.within(written.as_ref()?, least as u64..=MOST_BUFFERED)?;
        usize::try_from(bytes).ok()
    };
    let limits = &root.http.limits;
    BufferLimits {
        total: bytes(&limits.buffered_bytes, 2 * largest_request),
        per_caller: bytes(&limits.buffered_bytes_per_caller, largest_request),
        largest_request,
    }
}

pub(crate) fn admin_listener(root: &Root, compiler: &mut Compiler<'_>) -> Option<Listener> {
    if root.admin.address == root.http.address && root.admin.address.port() != 0 {
        compiler
            .report
            .error(&root.admin.place.child("address"), "the admin listener needs an address of its own");
    }
    Some(Listener {
        address: root.admin.address,
        tls: listener_tls(root.admin.tls.as_ref(), compiler).ok()?,
        read_timeout: root.http.read_timeout.0,
        read_header_timeout: root.http.read_header_timeout.0,
        idle_timeout: idle_timeout(root),
        drain_timeout: root.http.drain_timeout.0,
        drain_stream_timeout: root.http.drain_stream_timeout.0,
    })
}

/// What is wrong is in the report.
struct Reported;

/// The profile of a listener, `None` for plain HTTP.
fn listener_tls(
    name: Option<&Placed<String>>,
    compiler: &mut Compiler<'_>,
) -> Result<Option<Arc<TlsProfile>>, Reported> {
    let Some(name) = name else { return Ok(None) };
    let profile = compiler.tls_profile(Some(name)).ok_or(Reported)?;
    if profile.certificate.is_none() {
        let message = format!("the TLS profile `{}` has no certificate to listen with", profile.name);
        compiler.report.error_with(&name.place, message, "give it certFile and keyFile");
        return Err(Reported);
    }
    Ok(Some(profile))
}

pub(crate) fn ingress(root: &Root, compiler: &mut Compiler<'_>) -> Ingress {
    if let Some(url) = &root.http.public_url {
        if url.path() != "/" || url.query().is_some() {
            compiler
                .report
                .error(&url.place, "expected an origin such as `https://gw.example.com`, without a path");
        }
        if url.scheme() != "https" && !is_loopback(url) {
            compiler.report.error(&url.place, "the public URL must be https, except on a loopback host");
        }
    }
    let origin = compiler.origin.clone();
    let issuer = root.oidc_provider.as_ref().map(|provider| provider.discovery.issuer.value.clone());
    let mut allowed_hosts: Vec<String> = Vec::new();
    let mut allow = |host: String| {
        if !host.is_empty() && !allowed_hosts.contains(&host) {
            allowed_hosts.push(host);
        }
    };
    for url in [Some(origin.clone()), issuer].into_iter().flatten() {
        if let Some((_, authority)) =
            Url::parse(&url).ok().map(|url| origin_of(&url)).as_deref().and_then(|o| o.split_once("://"))
        {
            allow(authority.to_owned());
        }
    }
    for host in &root.http.allowed_hosts {
        allow(host.to_lowercase());
    }
    let address = root.http.address;
    if address.ip().is_loopback() || Url::parse(&origin).is_ok_and(|url| is_loopback(&url)) {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            allow(format!("{host}:{}", address.port()));
        }
    }
    let allowed_origins = root.http.allowed_origins.iter().filter_map(|origin| page_origin(origin, compiler));
    let allowed_origins = allowed_origins.collect();
    Ingress { origin, allowed_hosts, allowed_origins, trusted_proxies: root.http.trusted_proxies.clone() }
}

/// The origin of a page, exactly as a browser would send it: another spelling would never match.
fn page_origin(written: &Placed<String>, compiler: &mut Compiler<'_>) -> Option<String> {
    let text = written.value.as_str();
    let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let parsed = parsed.filter(|_| !text.contains('*'));
    let sent = parsed.map(|url| url.origin().ascii_serialization());
    match sent {
        Some(sent) if sent == text => Some(sent),
        Some(sent) => {
            let hint = format!("browsers send `{sent}`");
            let message = format!("expected an origin as browsers send it, found `{text}`");
            compiler.report.error_with(&written.place, message, &hint);
            None
        }
        None => {
            let message = format!("expected an origin such as `https://tools.example.com`, found `{text}`");
            let hint = "every origin is named by itself: there are no wildcards, and `null` is anybody's";
            compiler.report.error_with(&written.place, message, hint);
            None
        }
    }
}

pub(crate) fn logging(root: &Root, compiler: &mut Compiler<'_>) -> Logging {
    if let Some(written) = root.logger.session_id.as_ref().filter(|written| written.value) {
        let hint = "the request id leads from a log line to its audit record";
        compiler.report.warning(&written.place, "log lines name no browser session", hint);
    }
    Logging { level: root.logger.level }
}

pub(crate) fn health(root: &Root) -> Health {
    let heartbeat = &root.health.heartbeat;
    Health {
        location: root.health.location.0.clone(),
        heartbeat: (!heartbeat.disabled).then_some(heartbeat.log_level),
    }
}

pub(crate) fn session(root: &Root, compiler: &mut Compiler<'_>) -> SessionRules {
    let lifetime = &root.session.lifetime;
    for timeout in [&lifetime.max_timeout, &lifetime.idle_timeout] {
        if timeout.is_zero() {
            compiler.report.error(&timeout.place, "expected longer than zero");
        }
    }
    if lifetime.idle_timeout.value > lifetime.max_timeout.value {
        let hint = "a session ends at maxTimeout anyway";
        compiler.report.warning(
            &lifetime.place.child("idleTimeout"),
            "idleTimeout is longer than maxTimeout",
            hint,
        );
    }
    SessionRules {
        cookie_name: root.session.cookie.name.0.clone(),
        max_lifetime: lifetime.max_timeout.value,
        idle_lifetime: lifetime.idle_timeout.value,
    }
}

pub(crate) fn audit(root: &Root, compiler: &mut Compiler<'_>) -> Audit {
    let audit = &root.audit;
    if let Some(second) = audit.sinks.get(1) {
        compiler.report.error_with(
            &second.place,
            "only one audit sink is built",
            "ship the file with a log agent",
        );
    }
    if audit.on_blocked.spool_records == 0 {
        let place = audit.on_blocked.place.child("spoolRecords");
        compiler
            .report
            .error(&place, "expected at least one record: without a spool every call would be refused");
    }
    if audit.on_blocked.timeout.is_zero() {
        let place = audit.on_blocked.place.child("timeout");
        compiler
            .report
            .error(&place, "expected more than no time: whatever waits for its record would be refused");
    }
    Audit {
        node: audit.node.clone(),
        path: audit.sinks.first().map_or_else(|| AUDIT_FILE.to_owned(), |sink| sink.path.clone()),
        spool_records: audit.on_blocked.spool_records,
        timeout: audit.on_blocked.timeout,
        refusals: Refusals { per_network: audit.refusals.per_network, in_all: audit.refusals.in_all },
        checkpoints: checkpoints(&audit.checkpoints, compiler),
    }
}

fn checkpoints(written: &written::Checkpoints, compiler: &mut Compiler<'_>) -> Checkpoints {
    if written.every_records == 0 {
        compiler.report.error(&written.place.child("everyRecords"), "expected at least one record");
    }
    Checkpoints {
        key: written.key.as_ref().and_then(|key| checkpoint_key(key, compiler)).map(Arc::new),
        every: written.every.0,
        every_records: written.every_records,
    }
}

/// A key in a file, or the key itself: PEM, or what stands between the lines that begin and end it.
fn checkpoint_key(written: &Placed<Secret>, compiler: &mut Compiler<'_>) -> Option<SigningKey> {
    let text = written.expose();
    let pem = if text.starts_with("file://") {
        let file = Placed { value: text.to_owned(), place: written.place.clone() };
        let bytes = compiler.file(&file, 64 * 1024)?;
        compiler.check_private(&file, "the key");
        Secret::new(String::from_utf8_lossy(&bytes).into_owned())
    } else if text.contains("-----BEGIN ") {
        written.value.clone()
    } else {
        let body = text.trim();
        Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
    };
    match SigningKey::from_pkcs8_pem(Algorithm::EdDsa, pem.expose()) {
        Ok(key) => Some(key),
        Err(error) => {
            let hint = "make one with `gatehouse audit new-key FILE` and refer to it as `file:///path`";
            compiler.report.error_with(&written.place, error.to_string(), hint);
            None
        }
    }
}
