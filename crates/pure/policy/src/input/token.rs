//! Token minting: access and ID tokens of every grant.

use gatehouse_identity::address::ClientIp;
use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::scope::ScopeSet;
use serde_json::{Map, Value as Json};

use super::section::Section;
use super::sink::Sink;
use super::{Facts, Input, Request};

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
    /// The address from which somebody else presented the same refresh token within moments.
    pub refresh_shared_with: Option<ClientIp>,
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

impl<'a> TokenMinting<'a> {
    /// The input for this decision.
    pub fn input(&'a self, request: &'a Request<'a>) -> Input<'a> {
        Input { facts: Facts::Token(self), request }
    }

    /// What stands under `input.request`.
    pub(super) fn request<S: Sink>(&self, request: &mut Section<'_, S>) {
        let none = Map::new();
        request.object("oauth", |oauth| {
            oauth.text("client_id", self.client.id);
            oauth.text("grant_type", self.grant_type);
            if oauth.sees("scope") {
                oauth.text("scope", &self.scopes.to_string());
            }
            oauth.texts("scopes", self.scopes.iter());
            oauth.text("audience", self.audiences.first().map_or("", String::as_str));
            oauth.texts("audiences", self.audiences.iter().map(String::as_str));
            oauth.texts("resource", self.resources.iter().map(String::as_str));
            oauth
                .object("subject_token", |token| token.claims("claims", self.subject_token.unwrap_or(&none)));
            oauth.object("actor_token", |token| token.claims("claims", self.actor_token.unwrap_or(&none)));
            let other = self.refresh_shared_with.map(|address| address.to_string());
            oauth.text("refresh_shared_with", other.as_deref().unwrap_or(""));
            oauth.object("response", |response| {
                response.object("access_token", |token| token.claims("claims", self.token));
            });
        });
    }

    /// What stands beside `input.request`.
    pub(super) fn beside<S: Sink>(&self, input: &mut Section<'_, S>) {
        input.object("client", |client| {
            client.text("id", self.client.id);
            client.text("name", self.client.name);
            client.flag("public", self.client.public);
            client.text("assurance", self.client.assurance.as_str());
        });
    }
}
