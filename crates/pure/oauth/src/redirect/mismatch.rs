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
}

/// One part of a URI in which two differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub part: Part,
    /// What the client sent there, empty for nothing.
    pub received: String,
    /// What is registered there, empty for nothing.
    pub registered: String,
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

/// A URI taken apart at its delimiters, whatever it is: it has passed no check.
struct Parts<'a>([(Part, &'a str); 7]);

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

impl Nearest {
    /// Whether both lead to the same host.
    pub fn is_at_same_host(&self) -> bool {
        !self.differences.iter().any(|difference| difference.part == Part::Host)
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
        let (rest, fragment) = uri.split_once('#').unwrap_or((uri, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = rest.split_once(':').unwrap_or(("", rest));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let (user, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (address, ""),
        };
        Self([
            (Part::Scheme, scheme),
            (Part::UserInformation, user),
            (Part::Host, host),
            (Part::Port, port),
            (Part::Path, path),
            (Part::Query, query),
            (Part::Fragment, fragment),
        ])
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
                received: (*received).to_owned(),
                registered: (*registered).to_owned(),
            })
            .collect()
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
        let or_none = |text: &str| if text.is_empty() { "none" } else { text }.to_owned();
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
