//! The scalar types of configuration values.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use ipnet::IpNet;
use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::spot::{Spot, Value};
use crate::problem::Report;
use crate::source::node::{Node, NodeValue, Scalar, Shape, Style};

impl Value for bool {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let expected = "`true` or `false`";
        match spot.scalar(&[Shape::Boolean], expected, report)?.text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => spot.mismatch(report, expected),
        }
    }
}

impl Value for u64 {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let expected = "a whole number, zero or more";
        let scalar = spot.scalar(&[Shape::Number], expected, report)?;
        scalar.text.parse().ok().or_else(|| spot.mismatch(report, expected))
    }
}

impl Value for u32 {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        u32::try_from(u64::read(spot, report)?).ok().or_else(|| spot.mismatch(report, "a smaller number"))
    }
}

/// Text that is not empty.
impl Value for String {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        spot.parsed("a text that is not empty", report, |text| {
            (!text.trim().is_empty()).then(|| text.to_owned())
        })
    }
}

/// Text or number, as written.
#[derive(Clone, Debug)]
pub(crate) struct Written(pub(crate) String);

impl Value for Written {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let scalar = spot.scalar(&[Shape::Text, Shape::Number], "a text or a number", report)?;
        Some(Self(scalar.text.clone()))
    }
}

/// A version such as `0.0.1`: digits and dots.
#[derive(Clone, Debug)]
pub(crate) struct Version;

impl Value for Version {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let Written(text) = Written::read(spot, report)?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if text.split('.').all(digits) {
            Some(Self)
        } else {
            spot.mismatch(report, "a version such as `0.0.1`")
        }
    }
}

/// A configured secret; placeholders are refused, and the value is in no message.
impl Value for Secret {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let text = match &spot.node.value {
            _ if spot.node.is_unresolved() => return None,
            NodeValue::Scalar(scalar) if scalar.shape() == Shape::Text => scalar.text.as_str(),
            _ => {
                report.error_with(&spot.place(), "expected a secret text", "put it in quotes");
                return None;
            }
        };
        if is_placeholder(text) {
            report.error_with(
                &spot.place(),
                "an empty or placeholder secret is refused",
                "make a real one, for example with `openssl rand -base64 32`, and refer to it as \"{{ env.NAME }}\"",
            );
            return None;
        }
        Some(Self::new(text.to_owned()))
    }
}

/// Words that stand for a secret that nobody has made.
const PLACEHOLDERS: &[&str] = &[
    "admin",
    "apikey",
    "changeit",
    "changeme",
    "clientsecret",
    "default",
    "dummy",
    "example",
    "fixme",
    "foobar",
    "insecure",
    "letmein",
    "mysecret",
    "none",
    "passphrase",
    "password",
    "placeholder",
    "qwerty",
    "replaceme",
    "replacethis",
    "sample",
    "secret",
    "secretapikey",
    "secretkey",
    "supersecret",
    "test",
    "todo",
    "xxx",
    "yourapikey",
    "yourclientsecret",
    "yoursecret",
];
/// Words that make no such word a secret.
const FILLERS: &[&str] = &[
    "a",
    "api",
    "app",
    "change",
    "client",
    "demo",
    "for",
    "gateway",
    "gatehouse",
    "here",
    "in",
    "insert",
    "is",
    "key",
    "me",
    "my",
    "new",
    "now",
    "please",
    "prod",
    "production",
    "put",
    "real",
    "replace",
    "strong",
    "super",
    "the",
    "this",
    "to",
    "token",
    "value",
    "very",
    "with",
    "your",
];

/// Whether a text is made of the words of placeholders, however often and in whatever spelling, or of one letter or a
/// run of the keyboard.
fn is_placeholder(text: &str) -> bool {
    let plain: Vec<u8> =
        text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase()).collect();
    if text.chars().all(|letter| !letter.is_alphanumeric()) {
        return true;
    }
    // Letters of other scripts are in no word of the list.
    if text.chars().any(|letter| letter.is_alphanumeric() && !letter.is_ascii()) {
        return false;
    }
    let steps = |by: u8| plain.windows(2).all(|pair| matches!(pair, [a, b] if a.wrapping_add(by) == *b));
    (plain.len() > 1 && steps(0)) || (plain.len() > 3 && steps(1)) || is_made_of_placeholders(&plain)
}

/// Whether `text` falls into words of the two lists and digits, with one of the first among them.
fn is_made_of_placeholders(text: &[u8]) -> bool {
    // For each place: whether the text before it falls into words, without and with one that is a placeholder.
    let mut reached = vec![(false, false); text.len() + 1];
    if let Some(start) = reached.first_mut() {
        start.0 = true;
    }
    for at in 0..text.len() {
        let (plain, telling) = reached.get(at).copied().unwrap_or_default();
        let rest = text.get(at..).unwrap_or_default();
        let mut reach = |length: usize, tells: bool| {
            if let Some(there) = reached.get_mut(at + length) {
                there.0 |= plain && !tells;
                there.1 |= telling || (plain && tells);
            }
        };
        if !plain && !telling {
            continue;
        }
        if rest.first().is_some_and(u8::is_ascii_digit) {
            reach(1, false);
        }
        for (words, tells) in [(PLACEHOLDERS, true), (FILLERS, false)] {
            for word in words.iter().filter(|word| rest.starts_with(word.as_bytes())) {
                reach(word.len(), tells);
            }
        }
    }
    reached.last().is_some_and(|(_, telling)| *telling)
}

/// `500ms`, `30s`, `15m`, `24h`, `7d`, or several of them in a row such as `1h30m`.
impl Value for Duration {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let expected = "a duration such as `500ms`, `30s`, `15m` or `24h`";
        let scalar = spot.scalar(&[Shape::Text, Shape::Number], expected, report)?;
        if scalar.shape() == Shape::Number {
            report.error_with(
                &spot.place(),
                format!("expected {expected}, found a bare number"),
                "add a unit",
            );
            return None;
        }
        duration(&scalar.text).or_else(|| spot.mismatch(report, expected))
    }
}

fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let number: u64 = number.parse().ok()?;
        let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
        total = total.checked_add(match unit {
            "ms" => Duration::from_millis(number),
            "s" => seconds(1)?,
            "m" => seconds(60)?,
            "h" => seconds(3_600)?,
            "d" => seconds(86_400)?,
            _ => return None,
        })?;
        rest = after;
        if rest.is_empty() {
            return (total <= Duration::from_hours(3_660 * 24)).then_some(total);
        }
    }
}

/// The value of a `…Seconds` key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl Seconds {
    pub(crate) const fn new(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Value for Seconds {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let seconds = u64::read(spot, report)?;
        if (1..=3_660 * 86_400).contains(&seconds) {
            Some(Self::new(seconds))
        } else {
            spot.mismatch(report, "between one second and ten years")
        }
    }
}

/// An absolute http or https URL without user information and fragment.
impl Value for Url {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        spot.parsed("an absolute http or https URL without credentials and fragment", report, |text| {
            let url = Url::parse(text).ok()?;
            let clean = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
            let written = text.bytes().all(|byte| byte.is_ascii_graphic());
            (matches!(url.scheme(), "http" | "https") && url.has_host() && clean && written).then_some(url)
        })
    }
}

/// `ADDRESS:PORT`; `:PORT` and `localhost:PORT` are understood.
impl Value for SocketAddr {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        spot.parsed("an address such as `0.0.0.0:9420` or `[::1]:9420`", report, |text| {
            match text.rsplit_once(':') {
                Some(("", port)) => Some(Self::new(Ipv4Addr::UNSPECIFIED.into(), port.parse().ok()?)),
                Some(("localhost", port)) => Some(Self::new(Ipv4Addr::LOCALHOST.into(), port.parse().ok()?)),
                _ => text.parse().ok(),
            }
        })
    }
}

/// A network, or a single address.
impl Value for IpNet {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        spot.parsed("a network such as `10.0.0.0/8`", report, |text| {
            text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from))
        })
    }
}

/// A URL path that starts with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlPath(pub(crate) String);

impl Value for UrlPath {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        spot.parsed("a path such as `/mcp`", report, |text| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
            let tidy = text.split('/').skip(1).all(|part| !matches!(part, "." | ".."));
            (text.starts_with('/') && text.chars().all(plain) && tidy && !text.contains("//"))
                .then(|| Self(text.to_owned()))
        })
    }
}

/// A space-separated scope text.
impl Value for ScopeSet {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        spot.parsed("scopes separated by spaces", report, |text| Self::parse(text).ok())
    }
}

/// A date such as `2027-01-01` (midnight UTC) or an RFC 3339 time.
impl Value for Timestamp {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        spot.parsed("a date such as `2027-01-01` or a time such as `2027-01-01T12:00:00Z`", report, |text| {
            let time = OffsetDateTime::parse(text, &Rfc3339)
                .or_else(|_| OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339));
            time.ok().map(|time| Self::from_unix_seconds(time.unix_timestamp()))
        })
    }
}

/// Any structure, as JSON.
impl Value for Json {
    fn read(spot: Spot<'_>, _: &mut Report) -> Option<Self> {
        Some(json(spot.node))
    }
}

/// A tree as JSON.
pub(crate) fn json(node: &Node) -> Json {
    match &node.value {
        NodeValue::Mapping(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), json(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        NodeValue::Sequence(items) => items.iter().map(json).collect(),
        NodeValue::Scalar(scalar) => plain_json(scalar),
    }
}

fn plain_json(scalar: &Scalar) -> Json {
    match (scalar.shape(), scalar.style) {
        (Shape::Nothing, _) => Json::Null,
        (Shape::Boolean, _) => Json::Bool(scalar.text.eq_ignore_ascii_case("true")),
        (Shape::Number, Style::Plain) => match scalar.text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => scalar.text.parse::<f64>().map_or_else(|_| scalar.text.clone().into(), Json::from),
        },
        _ => scalar.text.clone().into(),
    }
}
