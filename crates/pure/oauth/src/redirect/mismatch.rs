//! What a redirect URI that is not registered has in common with those that are: said part by part, because a port that
//! somebody forgot to fix looks like nothing in a comparison of texts.

use std::fmt;

/// A requested redirect URI that is not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RedirectMismatch {
    /// What the client sent.
    pub received: String,
    /// The registered URI that differs from it in the fewest parts.
    pub nearest: Option<Nearest>,
}

/// A registered URI, and in what another one differs from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The URI as registered.
    pub registered: String,
    /// The parts that differ, in the order of a URI; never none.
    pub differences: Vec<Difference>,
    /// Whether both lead to the same host, in whatever letter case, or, without hosts, have the same scheme.
    pub at_same_place: bool,
}

/// One part of a URI in which two differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub part: Part,
    /// What the client sent there; `None` where it did not even send the delimiter.
    pub received: Option<String>,
    /// What is registered there, likewise.
    pub registered: Option<String>,
}

/// A part of a URI (RFC 3986 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What stands before the first colon.
    Scheme,
    /// What stands before an `@` of the authority.
    UserInformation,
    /// The host as it is written, in its letter case.
    Host,
    /// The port, if one is written.
    Port,
    /// The path.
    Path,
    /// What follows a question mark.
    Query,
    /// What follows a `#`.
    Fragment,
}

/// A URI taken apart at its delimiters, whatever it is: it has passed no check. Whether a delimiter is there counts, so
/// that two texts that differ do so in some part.
struct Parts<'a>([(Part, Option<&'a str>); 7]);

impl RedirectMismatch {
    pub(super) fn of<'r>(requested: &str, registered: impl Iterator<Item = &'r str>) -> Self {
        let received = Parts::split(requested);
        let nearest = registered.map(|uri| (uri, Parts::split(uri))).max_by_key(|(uri, parts)| {
            let common =
                uri.bytes().zip(requested.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
            (parts.agreement(&received), common)
        });
        let nearest = nearest.map(|(uri, parts)| Nearest {
            registered: uri.to_owned(),
            differences: received.differences(&parts),
            at_same_place: received.is_at_place_of(&parts),
        });
        Self { received: requested.to_owned(), nearest }
    }

    /// What the client sent, without what may hold a credential: user information, query and fragment.
    pub fn received_bare(&self) -> String {
        bare(&self.received)
    }

    /// The nearest registered URI, likewise.
    pub fn nearest_bare(&self) -> Option<String> {
        self.nearest.as_ref().map(|nearest| bare(&nearest.registered))
    }
}

impl Part {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::UserInformation => "user information",
            Self::Host => "host",
            Self::Port => "port",
            Self::Path => "path",
            Self::Query => "query",
            Self::Fragment => "fragment",
        }
    }

    /// Whether a log may repeat it.
    const fn is_tellable(self) -> bool {
        !matches!(self, Self::UserInformation | Self::Query | Self::Fragment)
    }

    /// How much it says that this part is the same, where as many others are.
    const fn weight(self) -> u8 {
        match self {
            Self::Host => 4,
            Self::Path => 3,
            Self::Scheme => 2,
            Self::Port => 1,
            Self::UserInformation | Self::Query | Self::Fragment => 0,
        }
    }
}

impl<'a> Parts<'a> {
    fn split(uri: &'a str) -> Self {
        let (rest, fragment) = cut(uri, uri.find('#'));
        let (rest, query) = cut(rest, rest.find('?'));
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        let (user, address) = match authority.and_then(|authority| authority.rsplit_once('@')) {
            Some((user, address)) => (Some(user), Some(address)),
            None => (None, authority),
        };
        let (host, port) = match address.map(|address| cut(address, address.rfind(':'))) {
            Some((host, Some(port))) if !port.contains(']') => (Some(host), Some(port)),
            _ => (address, None),
        };
        Self([
            (Part::Scheme, scheme),
            (Part::UserInformation, user),
            (Part::Host, host),
            (Part::Port, port),
            (Part::Path, Some(path)),
            (Part::Query, query),
            (Part::Fragment, fragment),
        ])
    }

    fn is_at_place_of(&self, other: &Self) -> bool {
        let same = |part: Part| {
            let of =
                |parts: &Self| parts.0.iter().find(|(each, _)| *each == part).and_then(|(_, text)| *text);
            (of(self).filter(|text| !text.is_empty()), of(other))
        };
        match same(Part::Host) {
            (Some(host), Some(other)) => host.eq_ignore_ascii_case(other),
            (None, None) => {
                matches!(same(Part::Scheme), (Some(scheme), Some(other)) if scheme.eq_ignore_ascii_case(other))
            }
            _ => false,
        }
    }

    /// How many parts are the same as in `other`, and how telling those are.
    fn agreement(&self, other: &Self) -> (usize, u8) {
        let same = self.0.iter().zip(&other.0).filter(|(one, other)| one == other);
        same.fold((0, 0), |(count, weight), ((part, _), _)| (count + 1, weight + part.weight()))
    }

    fn differences(&self, registered: &Self) -> Vec<Difference> {
        let pairs = self.0.iter().zip(&registered.0);
        let differing = pairs.filter(|(received, registered)| received != registered);
        differing
            .map(|((part, received), (_, registered))| Difference {
                part: *part,
                received: received.map(str::to_owned),
                registered: registered.map(str::to_owned),
            })
            .collect()
    }
}

/// What stands before and behind the delimiter at `at`.
fn cut(text: &str, at: Option<usize>) -> (&str, Option<&str>) {
    match at.map(|at| text.split_at(at)) {
        Some((before, behind)) => (before, behind.get(1..)),
        None => (text, None),
    }
}

fn bare(uri: &str) -> String {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let (uri, _) = uri.split_at(end);
    let Some((scheme, rest)) = uri.split_once("//") else { return uri.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}//{}{path}", authority.rsplit('@').next().unwrap_or(authority))
}

/// `port: 51307, registered 29352`; of parts that may hold a credential only the name.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |text: &Option<String>| match text.as_deref() {
            None => "none".to_owned(),
            Some("") => "nothing".to_owned(),
            Some(text) => text.to_owned(),
        };
        f.write_str(self.part.as_str())?;
        if self.part.is_tellable() {
            write!(f, ": {}, registered {}", or_none(&self.received), or_none(&self.registered))?;
        }
        Ok(())
    }
}

/// `differs in port: 51307, registered 29352; path: /cb, registered /callback`.
impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differences: Vec<String> = self.differences.iter().map(ToString::to_string).collect();
        write!(f, "differs in {}", differences.join("; "))
    }
}

/// As a log may hold it.
impl fmt::Display for RedirectMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.nearest {
            Some(nearest) => write!(f, "{nearest}"),
            None => f.write_str("no redirect URI is registered for this client"),
        }
    }
}

#[cfg(test)]
mod tests;
