//! What the process needs whatever it serves: listeners, TLS, logs, store, audit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use gatehouse_identity::secret::Secret;
use ipnet::IpNet;
use url::Url;

use super::scalar::{Seconds, UrlPath};
use super::section::{choice, section};
use super::spot::{Placed, Spot, Value};
use crate::problem::{Place, Report, joined};
use crate::source::node::{NodeValue, Shape};

section! {
    /// `logger`.
    Logger {
        level: LogLevel = or("level", LogLevel::Info),
        session_id: Option<Placed<bool>> = optional("logSessionID"),
    }
    also {
        checked::<FieldOrdering>("fieldOrdering");
        only("jsonOutput", &["true"], "log lines are always JSON");
        only("timeFormat", &["RFC3339Nano", "RFC3339"], "times are always RFC 3339");
    }
}

section! {
    /// `logger.fieldOrdering`.
    FieldOrdering {}
    also {
        only("enabled", &["true"], "fields always have the same order");
    }
}

choice! {
    /// How much is logged.
    pub LogLevel {
        /// Every step of our own code.
        Trace = "trace",
        /// Everything that helps to follow one request.
        Debug = "debug",
        /// The story of the process.
        Info = "info",
        /// What may need attention.
        Warn = "warn",
        /// What failed.
        Error = "error",
    }
}

section! {
    /// `http`: the public listener.
    Http {
        address: SocketAddr = or("address", SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9420)),
        tls: Option<Placed<String>> = optional("tls"),
        hosts: Vec<HttpHost> = list("hosts"),
        read_timeout: Seconds = or("readTimeoutSeconds", Seconds::new(20)),
        read_header_timeout: Seconds = or("readHeaderTimeoutSeconds", Seconds::new(5)),
        idle_timeout: Seconds = or("idleTimeoutSeconds", Seconds::new(75)),
        drain_timeout: Seconds = or("drainTimeoutSeconds", Seconds::new(30)),
        drain_stream_timeout: Seconds = or("drainStreamTimeoutSeconds", Seconds::new(600)),
        trusted_proxies: Vec<IpNet> = list("trustedProxies"),
        public_url: Option<Placed<Url>> = optional("publicURL"),
        allowed_hosts: Vec<String> = list("allowedHosts"),
        allowed_origins: Vec<Placed<String>> = list("allowedOrigins"),
        limits: HttpLimits = nested("limits"),
    }
    also {
        refused("routing", "requests need no routing between nodes that share a store");
    }
}

section! {
    /// `http.limits`: what all connections together may take. What is left out follows from what the process may use.
    HttpLimits {
        connections: Option<Placed<u32>> = optional("connections"),
        per_address: Option<Placed<u32>> = optional("perAddress"),
        per_trusted_proxy: Option<Placed<u32>> = optional("perTrustedProxy"),
        idle: Option<Placed<Seconds>> = optional("idleSeconds"),
        header_bytes: Placed<u64> = or("headerBytes", Placed::unwritten(100_663_296)),
        buffered_bytes: Option<Placed<u64>> = optional("bufferedBytes"),
        buffered_bytes_per_caller: Option<Placed<u64>> = optional("bufferedBytesPerCaller"),
    }
}

section! {
    /// One virtual host, which only chooses a TLS profile.
    HttpHost {
        default: bool = or("default", false),
        tls: Option<Placed<String>> = optional("tls"),
    }
}

section! {
    /// `admin`: the operations listener.
    Admin {
        address: SocketAddr = or("address", SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9421)),
        tls: Option<Placed<String>> = optional("tls"),
    }
}

section! {
    /// A named TLS profile, for a listener or for outbound connections.
    TlsProfile {
        cert_file: Option<Placed<String>> = optional("certFile"),
        key_file: Option<Placed<String>> = optional("keyFile"),
        ca_file: Option<Placed<String>> = optional("caFile"),
        client_auth: ClientAuth = or("clientAuth", ClientAuth::None),
        client_ca_files: Vec<Placed<String>> = list("clientCAFiles"),
        min_version: TlsVersion = or("minVersion", TlsVersion::V12),
    }
    also {
        only("insecureSkipVerify", &["false"], "name the issuing authority with `caFile`");
        refused("cipherSuites", "the suites are fixed: TLS 1.3 and forward-secret AEAD suites of TLS 1.2");
        refused("maxVersion", "TLS 1.3 is always offered");
    }
}

choice! {
    /// Whether callers must show a certificate.
    pub ClientAuth {
        /// Nothing is asked for.
        None = "NoClientCert",
        /// A certificate is checked when there is one.
        Optional = "VerifyClientCertIfGiven",
        /// A certificate of a listed authority is required.
        Required = "RequireAndVerifyClientCert",
    }
    refused {
        "RequestClientCert" | "RequireAnyClientCert" =>
            "certificates are never accepted unverified; use `RequireAndVerifyClientCert`",
    }
}

choice! {
    /// The oldest protocol version that is accepted.
    pub TlsVersion {
        /// TLS 1.2.
        V12 = "1.2",
        /// TLS 1.3.
        V13 = "1.3",
    }
    refused { "1.0" | "1.1" => "TLS before 1.2 is not implemented" }
}

section! {
    /// `health`.
    Health {
        location: UrlPath = or("location", UrlPath("/status".into())),
        heartbeat: Heartbeat = nested("heartbeat"),
    }
}

section! {
    /// `health.heartbeat`: a regular log line that says the process lives.
    Heartbeat {
        disabled: bool = or("disabled", false),
        log_level: LogLevel = or("logLevel", LogLevel::Info),
    }
}

section! {
    /// `telemetry`.
    Telemetry {}
    also {
        refused("metrics", "leave it out until metrics are built; meanwhile count audit records and log lines");
        refused("traces", "leave the section out until OTLP export is built");
    }
}

/// `features`: switches of experiments, of which there are none.
pub(crate) struct Features;

impl Value for Features {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let NodeValue::Mapping(entries) = &spot.node.value else { return spot.mismatch(report, "a section") };
        for entry in entries {
            let path = joined(spot.path, &entry.key);
            let off = match (&entry.value.value, entry.value.shape()) {
                (NodeValue::Scalar(scalar), Shape::Boolean) => scalar.text == "false",
                _ => false,
            };
            if !off {
                let place = Place { at: entry.at, path };
                report.error_with(&place, "this experiment is not built", "set it to false or leave it out");
            }
        }
        Some(Self)
    }
}

section! {
    /// `store`: grants, sessions, refresh tokens, keys.
    Store {
        kind: StoreKind = or("type", StoreKind::Sqlite),
        migrate: Migrate = or("migrate", Migrate::Auto),
        sqlite: Sqlite = nested("sqlite"),
        postgres: Option<Postgres> = optional("postgres"),
    }
}

choice! {
    /// Where durable state lives.
    pub(crate) StoreKind {
        /// A file beside the process: one node.
        Sqlite = "sqlite",
        /// A PostgreSQL server: any number of nodes.
        Postgres = "postgres",
    }
    refused { "redis" => "use `postgres` for more than one node" }
}

choice! {
    /// Who applies migrations that the store lacks.
    pub Migrate {
        /// The process, when it starts.
        Auto = "auto",
        /// An operator, with `gatehouse migrate`; until then the process does not start.
        Manual = "manual",
    }
}

section! {
    /// `store.sqlite`.
    Sqlite {
        path: String = or("path", "gatehouse.db".into()),
    }
}

section! {
    /// `store.postgres`.
    Postgres {
        url: Option<Placed<Secret>> = optional("url"),
        urls: Vec<Placed<Secret>> = list("urls"),
        max_connections: u32 = or("maxConnections", 10),
        pooler: Pooler = or("pooler", Pooler::None),
    }
}

choice! {
    /// What stands between the process and the servers.
    pub Pooler {
        /// Nothing that chooses a server for each statement or transaction.
        None = "none",
        /// A pooler that lends a server for a transaction.
        Transaction = "transaction",
    }
    refused { "session" => "a pooler that lends a server for a session is as good as none: use `none`" }
}

section! {
    /// `audit`.
    Audit {
        node: Option<String> = optional("node"),
        sinks: Vec<Placed<AuditSink>> = list("sinks"),
        on_blocked: OnBlocked = nested("onBlocked"),
        refusals: Refusals = nested("refusals"),
        checkpoints: Checkpoints = nested("checkpoints"),
    }
}

section! {
    /// `audit.refusals`: how many refusals of strangers are written one by one every second; the rest is counted.
    Refusals {
        per_network: u32 = or("perNetwork", 5),
        in_all: u32 = or("inAll", 100),
    }
}

section! {
    /// `audit.checkpoints`: what proves that nobody has rewritten the log.
    Checkpoints {
        key: Option<Placed<Secret>> = optional("key"),
        every: Seconds = or("everySeconds", Seconds::new(60)),
        every_records: u64 = or("everyRecords", 1_000),
    }
}

section! {
    /// One place that audit records go to.
    AuditSink {
        path: String = required("path"),
    }
    also { checked::<AuditSinkKind>("type") }
}

choice! {
    /// What an audit sink is.
    pub(crate) AuditSinkKind {
        /// A file of JSON lines.
        File = "file",
    }
    refused {
        "syslog" | "http" | "otlp" | "webhook" | "kafka" => "write to a `file` and ship it with a log agent",
    }
}

section! {
    /// `audit.onBlocked`: what happens while records cannot be written.
    OnBlocked {
        spool_records: u64 = or("spoolRecords", 65_536),
        timeout: Duration = or("timeout", Duration::from_secs(5)),
    }
}
