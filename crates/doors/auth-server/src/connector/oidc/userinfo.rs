//! What the userinfo endpoint of a provider adds to an ID token (OpenID Connect Core §5.3).

use std::collections::BTreeSet;

use http::HeaderValue;
use serde_json::{Map, Value};
use url::Url;

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::connector::OidcConnector;
use gatehouse_edge::outbound::fetch::{Fetcher, Trust};
use gatehouse_edge::outbound::jwks::Published;
use gatehouse_edge::rejection::{Rejection, excerpt, loggable};
use gatehouse_identity::groups;
use gatehouse_identity::jose::strict_json::{parse_object, without_nulls};
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::claims::{find, is_protected};
use gatehouse_policy::Seen;

use super::expected::{LIMIT, refused};
use super::unreachable_provider;

/// What is known of a person.
pub(super) struct Attributes {
    /// The claims of the ID token, and what userinfo adds.
    pub(super) claims: Map<String, Value>,
    /// Whether they list all groups.
    pub(super) groups_complete: bool,
}

/// Who is asked.
pub(super) struct Asking<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) published: &'a Published,
    pub(super) connector: &'a OidcConnector,
    pub(super) snapshot: &'a Snapshot,
}

/// The attributes that somebody goes by.
struct Needed<'a> {
    /// Those that claims of some client are made from, and those that policies read by name.
    named: BTreeSet<&'a str>,
    /// Whether a policy may go by any attribute there is.
    any: bool,
}

/// Adds to `claims`, those of an ID token, what they lack.
///
/// Userinfo is asked only for what is missing: attributes that claims of some client are made from, those that policies
/// of some client read, and what scopes that were asked for stand for. That it fails is a failure of the sign-in only where
/// one of the former stays missing: a policy that forbids by an attribute must not let somebody pass for want of it.
pub(super) async fn complete(
    asking: &Asking<'_>,
    access_token: Option<&Secret>,
    claims: Map<String, Value>,
) -> Result<Attributes, Rejection> {
    let connector = asking.connector;
    let groups_complete = groups::are_complete(&claims, "groups");
    let needed = Needed::of(asking);
    let missing: Vec<&str> =
        needed.named.iter().copied().filter(|path| find(&claims, path).is_none()).collect();
    let says_enough = missing.is_empty() && groups_complete && !says_too_little(&claims, connector);
    let stays = |claims| Attributes { claims, groups_complete };
    let Some(token) = access_token.filter(|_| !says_enough) else { return Ok(stays(claims)) };
    let Some(endpoint) = asking.published.metadata.userinfo_endpoint.as_deref() else {
        return Ok(stays(claims));
    };
    match asking.fetch(endpoint, token).await {
        Ok(more) => merge(claims, more).map_err(|why| refused(connector, why)),
        Err(why) if missing.is_empty() && !needed.any => {
            let error = loggable(excerpt(&why));
            tracing::warn!(connector = %connector.name, error = %error, "userinfo not read; the sign-in goes on without it");
            Ok(stays(claims))
        }
        Err(why) => {
            let wanted = match missing.as_slice() {
                [] => "a policy goes by any attribute that there may be".to_owned(),
                missing => format!("the ID token has no {}", missing.join(", ")),
            };
            Err(unreachable_provider(connector, &format!("userinfo: {why}; {wanted}")))
        }
    }
}

/// Whether scopes that were asked for left no trace in the ID token.
fn says_too_little(claims: &Map<String, Value>, connector: &OidcConnector) -> bool {
    let lacks = |scope: &str, claim: &str| connector.scopes.contains(scope) && !claims.contains_key(claim);
    lacks("email", "email") || lacks("profile", "name") || lacks("groups", "groups")
}

impl<'a> Needed<'a> {
    fn of(asking: &Asking<'a>) -> Self {
        let mut named: BTreeSet<&str> = asking.connector.mapped.iter().map(String::as_str).collect();
        let mut any = false;
        for policy in asking.snapshot.minting_policies() {
            match policy.user_attributes_seen() {
                Seen::Everything => any = true,
                Seen::Members(names) => named.extend(names),
            }
        }
        named.retain(|name| !is_protected(name));
        Self { named, any }
    }
}

impl Asking<'_> {
    /// It is asked with GET, as §5.3.1 recommends: there are providers that refuse a POST without parameters.
    async fn fetch(&self, endpoint: &str, access_token: &Secret) -> Result<Map<String, Value>, String> {
        let endpoint = Url::parse(endpoint).map_err(|error| error.to_string())?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", access_token.expose()));
        let bearer = bearer.map_err(|error| error.to_string())?;
        let trust = Trust::configured(&self.connector.discovery);
        let answer = self.fetcher.get_json_as(&endpoint, &trust, bearer, LIMIT).await;
        let answer = answer.map_err(|error| error.to_string())?;
        parse_object(&answer.bytes).map(without_nulls).map_err(|error| error.to_string())
    }
}

/// Userinfo counts only when it is about the same subject. What happened at the sign-in, to whom and for whom the ID
/// token alone says: nobody signed anything here.
fn merge(mut claims: Map<String, Value>, more: Map<String, Value>) -> Result<Attributes, &'static str> {
    if more.get("sub") != claims.get("sub") {
        return Err("userinfo is about another subject");
    }
    let (known, told) = (groups::are_complete(&claims, "groups"), groups::are_complete(&more, "groups"));
    let groups_complete = match (claims.contains_key("groups"), more.contains_key("groups")) {
        // The list of the ID token stands.
        (true, _) if known => true,
        (_, true) => told,
        (_, false) => known && told,
    };
    if !known && told && more.contains_key("groups") {
        claims.remove("groups");
    }
    for (name, value) in more.into_iter().filter(|(name, _)| !is_protected(name)) {
        claims.entry(name).or_insert(value);
    }
    Ok(Attributes { claims, groups_complete })
}

#[cfg(test)]
mod tests;
