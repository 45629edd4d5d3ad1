//! Protected resource metadata (RFC 9728) and the challenges that point to it (RFC 6750 §3).

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What clients learn about one MCP endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceMetadata {
    /// The exact public URL that clients use.
    pub resource: String,
    /// Issuers whose tokens are accepted; clients use the first.
    pub authorization_servers: Vec<String>,
    /// The scopes that a client should ask for at first; never `offline_access`.
    pub scopes: Vec<String>,
    /// Name for people.
    pub name: Option<String>,
}

/// Why a request is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChallengeReason {
    /// 401: no credential was sent.
    Missing,
    /// 401: the credential was not accepted; the text goes to the client.
    Invalid(String),
    /// 403: the credential is good but lacks scopes; the challenge names all that the operation needs.
    InsufficientScope(String),
}

impl ResourceMetadata {
    /// The JSON document.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "resource": self.resource,
            "authorization_servers": self.authorization_servers,
            "bearer_methods_supported": ["header"],
        });
        if let Some(members) = document.as_object_mut() {
            let scopes: Vec<&String> =
                self.scopes.iter().filter(|scope| *scope != "offline_access").collect();
            if !scopes.is_empty() {
                members.insert("scopes_supported".to_owned(), json!(scopes));
            }
            if let Some(name) = &self.name {
                members.insert("resource_name".to_owned(), json!(name));
            }
        }
        document
    }

    /// The well-known paths of an endpoint path, the path-inserted one first (RFC 9728 §3.1).
    pub fn paths(endpoint_path: &str) -> [String; 2] {
        let root = "/.well-known/oauth-protected-resource".to_owned();
        let inserted = format!("{root}{}", endpoint_path.trim_end_matches('/'));
        [inserted, root]
    }
}

/// The value of `WWW-Authenticate`.
///
/// `metadata_url` is the absolute URL of the metadata document; `scopes` are all the scopes that are needed.
pub fn challenge(reason: &ChallengeReason, metadata_url: &str, scopes: &[String]) -> String {
    let mut value = String::from("Bearer ");
    match reason {
        ChallengeReason::Missing => {}
        ChallengeReason::Invalid(description) => {
            parameter(&mut value, "error", "invalid_token");
            parameter(&mut value, "error_description", description);
        }
        ChallengeReason::InsufficientScope(description) => {
            parameter(&mut value, "error", "insufficient_scope");
            parameter(&mut value, "error_description", description);
        }
    }
    let scopes: Vec<&str> =
        scopes.iter().map(String::as_str).filter(|scope| *scope != "offline_access").collect();
    if !scopes.is_empty() {
        parameter(&mut value, "scope", &scopes.join(" "));
    }
    parameter(&mut value, "resource_metadata", metadata_url);
    value
}

/// The HTTP status that goes with a challenge.
pub fn challenge_status(reason: &ChallengeReason) -> u16 {
    match reason {
        ChallengeReason::Missing | ChallengeReason::Invalid(_) => 401,
        ChallengeReason::InsufficientScope(_) => 403,
    }
}

/// Appends one quoted parameter; what cannot stand in a quoted string becomes `?`, quotes become apostrophes.
fn parameter(value: &mut String, name: &str, text: &str) {
    if !value.ends_with(' ') {
        value.push_str(", ");
    }
    let safe: String = text
        .chars()
        .map(|letter| match letter {
            '"' | '\\' => '\'',
            ' '..='~' => letter,
            _ => '?',
        })
        .collect();
    // Writing to a String cannot fail.
    let _ = write!(value, "{name}=\"{safe}\"");
}

#[cfg(test)]
mod tests;
