//! Token minting: access and ID tokens of every grant.

use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::scope::ScopeSet;
use regorus::Value;
use serde_json::{Map, Value as Json};

use super::document::{Document, claims, strings, text};
use super::{Input, Request};

/// A token about to be minted.
#[derive(Clone, Debug)]
pub struct TokenMinting<'a> {
    /// The client that will hold it.
    pub client: Client<'a>,
    /// `grant_type` as the request wrote it.
    pub grant_type: &'a str,
    /// The scopes that the token would have.
    pub scopes: &'a ScopeSet,
    /// The audiences that the token would have.
    pub audiences: &'a [String],
    /// `resource` parameters (RFC 8707).
    pub resources: &'a [String],
    /// Claims of the subject token of an exchange (RFC 8693 §2.1).
    pub subject_token: Option<&'a Map<String, Json>>,
    /// Claims of its actor token.
    pub actor_token: Option<&'a Map<String, Json>>,
    /// The claims of the token to be.
    pub token: &'a Map<String, Json>,
}

/// The client of a request, and how sure we are of it.
#[derive(Clone, Debug)]
pub struct Client<'a> {
    /// `client_id`.
    pub id: &'a str,
    /// Its configured or published name.
    pub name: &'a str,
    /// Whether it has no credential of its own.
    pub public: bool,
    /// The evidence for it.
    pub assurance: Assurance,
}

impl TokenMinting<'_> {
    /// The input for this decision.
    pub fn input(&self, request: &Request<'_>) -> Input {
        let none = Map::new();
        let with_claims = |claims_of: &Map<String, Json>| {
            let mut document = Document::new();
            document.put("claims", claims(claims_of));
            document.value()
        };
        let mut response = Document::new();
        response.put("access_token", with_claims(self.token));
        let mut oauth = Document::new();
        oauth.put("client_id", text(self.client.id));
        oauth.put("grant_type", text(self.grant_type));
        oauth.put("scope", text(&self.scopes.to_string()));
        oauth.put("scopes", strings(self.scopes.iter()));
        oauth.put("audience", text(self.audiences.first().map_or("", String::as_str)));
        oauth.put("audiences", strings(self.audiences));
        oauth.put("resource", strings(self.resources));
        oauth.put("subject_token", with_claims(self.subject_token.unwrap_or(&none)));
        oauth.put("actor_token", with_claims(self.actor_token.unwrap_or(&none)));
        oauth.put("response", response.value());

        let mut client = Document::new();
        client.put("id", text(self.client.id));
        client.put("name", text(self.client.name));
        client.put("public", Value::from(self.client.public));
        client.put("assurance", text(self.client.assurance.as_str()));

        let mut part = Document::new();
        part.put("oauth", oauth.value());
        let mut input = request.document(part);
        input.put("client", client.value());
        request.finish(input)
    }
}
