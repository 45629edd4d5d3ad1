//! Permits: each holds the act that was permitted, and what goes out is read from there and from nowhere else.

use http::Uri;
use http::uri::{Authority, Scheme};
use url::{Position, Url};

use gatehouse_config::snapshot::llm::Account;
use gatehouse_config::snapshot::mcp::ProxyUpstream;
use gatehouse_config::snapshot::outbound::Outbound as OutboundRule;

use crate::rejection::Rejection;

/// An act that was permitted. Only [`crate::authorize::authorize`] makes one, and [`Listing`] for what is configured;
/// nobody can change what it holds: code that skips policy, or does something else than policy saw, does not compile.
///
/// ```compile_fail,E0423
/// # struct Call;
/// let permitted = gatehouse_edge::permit::Permitted(Call);
/// ```
#[derive(Debug)]
pub struct Permitted<A>(A);

impl<A> Permitted<A> {
    /// What [`crate::authorize::authorize`] gives.
    pub(crate) fn given(act: A) -> Self {
        Self(act)
    }

    /// The act.
    pub fn act(&self) -> &A {
        &self.0
    }

    /// The act, to be carried out with what it holds.
    pub fn into_act(self) -> A {
        self.0
    }
}

impl<A: Outgoing> Permitted<A> {
    /// Where the act leads. Errors when its URL cannot be asked for.
    pub fn destination(&self) -> Result<Destination, Rejection> {
        self.0.origin().map(Destination)
    }
}

/// Reading what an upstream offers. It is an act of the gateway itself that carries nothing of a caller's, so no policy
/// is asked; what a caller sees of it is decided item by item.
#[derive(Clone, Copy)]
pub struct Listing<'a> {
    url: &'a Url,
    credential: Option<&'a OutboundRule>,
}

impl<'a> Listing<'a> {
    /// Permits to read which tools an MCP server offers, with a credential of this rule.
    pub const fn of_tools(server: &'a ProxyUpstream, credential: &'a OutboundRule) -> Permitted<Self> {
        Permitted(Self { url: &server.url, credential: Some(credential) })
    }

    /// Permits to read which models the provider of an account offers.
    pub const fn of_models(account: &'a Account) -> Permitted<Self> {
        Permitted(Self { url: &account.base_url, credential: None })
    }
}

impl Outgoing for Listing<'_> {
    fn origin(&self) -> Result<Origin, Rejection> {
        Origin::of(self.url)
    }
}

impl Delegated for Listing<'_> {
    fn credential_rule(&self) -> Option<&OutboundRule> {
        self.credential
    }

    fn tool(&self) -> Option<&str> {
        None
    }
}

/// An act that reaches an upstream.
pub trait Outgoing {
    /// The upstream. Errors when its URL cannot be asked for.
    fn origin(&self) -> Result<Origin, Rejection>;
}

/// An act that carries a credential of the gateway's.
pub trait Delegated: Outgoing {
    /// Which credential goes out; `None` for none.
    fn credential_rule(&self) -> Option<&OutboundRule>;

    /// The tool that is called, by its bare name; `None` for a listing.
    fn tool(&self) -> Option<&str>;
}

/// Scheme, host and port of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
}

/// The upstream that a permitted act leads to: [`Permitted::destination`] alone makes one.
///
/// ```compile_fail,E0423
/// let origin = gatehouse_edge::permit::Origin::of(&"https://elsewhere.example".parse().unwrap());
/// let destination = gatehouse_edge::permit::Destination(origin.unwrap());
/// ```
#[derive(Clone, Debug)]
pub struct Destination(Origin);

impl Origin {
    /// The origin of a URL. Errors when a request cannot name it.
    pub fn of(url: &Url) -> Result<Self, Rejection> {
        let text = &url[Position::BeforeHost..Position::BeforePath];
        let authority = text.parse().map_err(|_| unsendable(text))?;
        let scheme = url.scheme().parse().map_err(|_| unsendable(url.scheme()))?;
        Ok(Self { scheme, authority })
    }

    /// The origin of an absolute URI. Errors for any other one.
    pub fn of_uri(uri: &Uri) -> Result<Self, Rejection> {
        match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => {
                Ok(Self { scheme: scheme.clone(), authority: authority.clone() })
            }
            _ => Err(unsendable(uri.path())),
        }
    }
}

impl Destination {
    /// The scheme.
    pub(crate) fn scheme(&self) -> &Scheme {
        &self.0.scheme
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &Authority {
        &self.0.authority
    }
}

fn unsendable(text: &str) -> Rejection {
    Rejection::internal("upstream_request", format!("no request can be sent to {text:?}"))
}
