//! The starter configuration that `init` writes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use url::{Host, Url};

use crate::snapshot::origin::{is_loopback, origin_of};

/// What a starter configuration is filled with; everything is fresh and known to nobody else.
#[derive(Clone, Copy)]
pub struct Starter<'a> {
    /// Where clients reach the gateway.
    pub public_url: &'a PublicUrl,
    /// The first user's name.
    pub username: &'a str,
    /// The argon2id PHC string of the first user's password.
    pub password_hash: &'a str,
    /// The hash of the first static API key for models, as `hash-key` prints it; without one, no models are served.
    pub key_hash: Option<&'a str>,
    /// The key of audit checkpoints, or where it is, as `audit.checkpoints.key` takes it.
    pub audit_key: &'a str,
}

/// The URL that clients reach the gateway at: `https://gw.example.com`, or `http://localhost:9420`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    reach: Reach,
}

/// Who connects to the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Clients on this machine.
    Clients(SocketAddr),
    /// A reverse proxy on this machine, which ends TLS.
    Proxy,
}

/// What is not the URL of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// No URL with a host.
    #[error("expected an origin such as `https://gw.example.com`, found `{0}`")]
    NotAnOrigin(String),
    /// More than an origin.
    #[error("expected an origin such as `https://gw.example.com`, without a path, query or credentials")]
    MoreThanAnOrigin,
    /// Plain HTTP to another machine.
    #[error("the public URL must be https, except on a loopback host such as `http://localhost:9420`")]
    NotSecure,
}

/// A value that would not stay one text in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} holds characters that a starter configuration cannot: quotes, backslashes, braces or line breaks"
)]
pub struct StarterError(&'static str);

impl PublicUrl {
    /// `scheme://host[:port]`.
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// The lines of the `http` section.
    fn listener(&self) -> String {
        let origin = &self.origin;
        match self.reach {
            Reach::Clients(address) => format!(
                "  address: \"{address}\"\n  publicURL: \"{origin}\"\n  \
                 # Proxies that may say for whom they forward a request: none, clients connect to this address.\n  \
                 trustedProxies: []"
            ),
            Reach::Proxy => format!(
                "  # A reverse proxy on this machine ends TLS and connects to this address.\n  \
                 address: {BEHIND_PROXY}\n  publicURL: \"{origin}\"\n  \
                 # Only it may say for whom it forwards a request.\n  trustedProxies: [127.0.0.1]"
            ),
        }
    }

    /// The usual port of operators, or the next one.
    fn admin_port(&self) -> u16 {
        match self.reach {
            Reach::Clients(address) if address.port() == ADMIN_PORT => ADMIN_PORT.saturating_add(1),
            _ => ADMIN_PORT,
        }
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| PublicUrlError::NotAnOrigin(text.to_owned()))?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(PublicUrlError::MoreThanAnOrigin);
        }
        let reach = match (url.scheme(), is_loopback(&url)) {
            ("https", _) => Reach::Proxy,
            (_, true) => Reach::Clients(SocketAddr::new(loopback(&url), url.port().unwrap_or(80))),
            (_, false) => return Err(PublicUrlError::NotSecure),
        };
        Ok(Self { origin: origin_of(&url), reach })
    }
}

/// The text of a starter configuration. It loads as it is; where it serves models, once `ANTHROPIC_API_KEY` is in the
/// environment.
pub fn starter(values: &Starter<'_>) -> Result<String, StarterError> {
    let fields = [
        ("public_url", values.public_url.as_str()),
        ("username", values.username),
        ("password_hash", values.password_hash),
        ("key_hash", values.key_hash.unwrap_or_default()),
        ("audit_key", values.audit_key),
    ];
    let models = values.key_hash.is_some();
    let mut text = with_or_without_models(models)
        .replace("@and_models@", if models { " and LLM gateway" } else { "" })
        .replace("@listener@", &values.public_url.listener())
        .replace("@admin_port@", &values.public_url.admin_port().to_string());
    for (name, value) in fields {
        if value.chars().any(|c| c.is_control() || matches!(c, '"' | '\\' | '{' | '}' | '<' | '>')) {
            return Err(StarterError(name));
        }
        text = text.replace(&format!("@{name}@"), value);
    }
    Ok(text)
}

/// The template with what stands between `@models@` and `@end@`, or without.
fn with_or_without_models(models: bool) -> String {
    let mut kept = String::with_capacity(TEMPLATE.len());
    let mut about_models = false;
    for line in TEMPLATE.split_inclusive('\n') {
        match line.trim_end() {
            "@models@" => about_models = true,
            "@end@" => about_models = false,
            _ if models || !about_models => kept.push_str(line),
            _ => {}
        }
    }
    // What stood before and after has an empty line of its own.
    if models { kept } else { kept.replace("\n\n\n", "\n\n") }
}

/// The address of a loopback URL's host; names of this machine are IPv4 first.
fn loopback(url: &Url) -> IpAddr {
    match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(_)) | None => Ipv4Addr::LOCALHOST.into(),
    }
}

const TEMPLATE: &str = include_str!("starter/gatehouse.yaml");
/// Where the proxy of an https URL connects to.
const BEHIND_PROXY: &str = "127.0.0.1:9420";
const ADMIN_PORT: u16 = 9421;

#[cfg(test)]
mod tests;
