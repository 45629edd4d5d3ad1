//! A form posted by a client to one of the endpoints for programs, and who the client is.

use std::sync::Arc;

use hyper::body::Incoming;

use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_edge::authn::client::presented;
use gatehouse_edge::context::{Context, Public, Single};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::server::body;
use gatehouse_identity::id::ClientId;
use gatehouse_oauth::client::{AuthenticatedClient, PresentedCredentials, authenticate};
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::form::Form;

use crate::evidence::{audited_kind, note_claimed};
use crate::refusal::Refusal;
use crate::server::AuthServer;
use crate::settings::configured;

/// A form and the registration of the client that claims to send it.
pub(crate) struct ClientRequest {
    /// The parameters.
    pub(crate) form: Form,
    /// The client, which has not proven to be the sender.
    pub(crate) registered: Arc<RegisteredClient>,
    presented: PresentedCredentials,
}

/// Reads the form of a request. Only a body counts: what stands in a URL stands in logs as well.
pub(crate) async fn form(body: Incoming, context: &Context<Public>) -> Result<Form, Refusal> {
    let malformed = |text: &str| OAuthError::new(ErrorCode::InvalidRequest, text);
    if context.head.uri.query().is_some_and(|query| !query.is_empty()) {
        let error = malformed("parameters belong into the body, never into the URL");
        return Err(Refusal::because(error, "parameters_in_url", None));
    }
    let media_type = context.head.single(Single::ContentType).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(malformed("the body must be application/x-www-form-urlencoded").into());
    }
    let longest = configured(context)?.form_limit;
    let read = body::read(context, body, longest).await;
    let bytes = context.limits.counted(Limit::OidcForm, read)?;
    Ok(Form::parse_within(&bytes, longest).map_err(|error| malformed(&error.to_string()))?)
}

impl ClientRequest {
    /// Reads the form of a request and finds the client that sends it.
    pub(crate) async fn receive(
        door: &AuthServer,
        body: Incoming,
        context: &Context<Public>,
    ) -> Result<Self, Refusal> {
        Self::read(door, form(body, context).await?, context).await
    }

    /// Finds the client that `form` and the `Authorization` header name. An unknown client reads like a wrong secret.
    pub(crate) async fn read(
        door: &AuthServer,
        form: Form,
        context: &Context<Public>,
    ) -> Result<Self, Refusal> {
        if let Some(id) = form.one("client_id") {
            note_claimed(&ClientId::new(id), context);
        }
        let presented = presented(&context.head, &form)?;
        note_claimed(presented.client_id(), context);
        let found = door.clients.find(presented.client_id(), context).await;
        let registered = found.map_err(|rejection| {
            if rejection.kind.is_failure() {
                return Refusal::from(rejection);
            }
            let error = OAuthError::new(ErrorCode::InvalidClient, "the client credentials are wrong");
            let detail = rejection.detail().into_owned();
            Refusal::because(error, rejection.reason, detail)
        })?;
        let client = &registered.client;
        context.note(|event| event.with_client(&client.id, audited_kind(client), None));
        Ok(Self { form, registered, presented })
    }

    /// The client, proven.
    pub(crate) fn authenticate(&self, context: &Context<Public>) -> Result<AuthenticatedClient<'_>, Refusal> {
        let claimed = &self.registered.client.id;
        let client = authenticate(&self.registered.client, &self.presented).map_err(|error| {
            let (reason, told) = (error.code().as_str(), error.description());
            let detail = format!("client {claimed}: {told}; {}", error.detail());
            Refusal::because(error, reason, detail)
        })?;
        let (id, kind) = (client.id(), audited_kind(client.client()));
        context.note(|event| event.with_client(id, kind, Some(client.assurance())));
        Ok(client)
    }

    /// The token that introspection and revocation are about (RFC 7662 §2.1, RFC 7009 §2.1).
    pub(crate) fn token(&self) -> Result<&str, OAuthError> {
        self.form.one("token").ok_or_else(|| OAuthError::new(ErrorCode::InvalidRequest, "token is missing"))
    }
}
