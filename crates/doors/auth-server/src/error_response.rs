//! Error responses of the authorization endpoint (RFC 6749 §4.1.2.1): at the client's redirect URI where that is safe,
//! else on a page. Each is one line of the log.

use http::StatusCode;

use gatehouse_audit::event::Outcome as Verdict;
use gatehouse_edge::context::{Context, Named, Public};
use gatehouse_edge::rejection::{Rejection, excerpt, loggable};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_oauth::authorization::{AuthorizationError, RedirectVia};
use gatehouse_oauth::client::Client;
use gatehouse_oauth::redirect::RedirectMismatch;

use crate::page::{self, Message, client_names};
use crate::settings::configured;

/// Answers a refused authorization request, and says so in record and log.
pub(crate) fn refuse(error: &AuthorizationError, context: &Context<Public>) -> Outcome {
    if let AuthorizationError::Redirect { error, .. } = error {
        conclude(error.code().as_str(), error.detail(), context);
    }
    answer(error, context)
}

/// Says in record and log that an authorization request was refused.
pub(crate) fn conclude(reason: &'static str, detail: &str, context: &Context<Public>) {
    if let Some(row) = &context.audit {
        row.conclude(Verdict::Deny, reason);
    }
    let Named { client, user, grant, .. } = context.named();
    let (client, user, grant) = (client.as_deref(), user.as_deref(), grant.as_deref());
    let (request_id, ip) = (&context.request_id, context.source.ip);
    tracing::info!(
        request.id = %request_id, source.ip = %ip, client.id = client, user, grant, reason,
        detail = %loggable(excerpt(detail)), "authorization request refused"
    );
}

/// The answer alone, of a refusal that is in record and log already, or that the door puts there.
pub(crate) fn answer(error: &AuthorizationError, context: &Context<Public>) -> Outcome {
    let location = error.location(&configured(context)?.issuer);
    let (AuthorizationError::Redirect { via, uri, .. }, Some(location)) = (error, location) else {
        let public = format!(
            "The application sent a request that cannot be answered: {}.",
            error.error().description()
        );
        return Err(Rejection::malformed(error.error().code().as_str(), public));
    };
    if *via == RedirectVia::Direct {
        return page::redirect(&location, []);
    }
    let told = format!("{} will be told: {}.", uri.destination(), error.error().description());
    let message = Message {
        nonce: context.request_id.as_str(),
        title: "This sign-in cannot go on",
        sentences: &[&told],
        link: Some((&location, "Return to the application")),
        request_id: Some(context.request_id.as_str()),
    };
    page::show(&message, StatusCode::BAD_REQUEST, message.nonce, &[])
}

/// The page for a redirect URI that is not registered. What is registered at another host than the one that came is
/// nobody's business who does not know it.
pub(crate) fn unregistered(
    mismatch: &RedirectMismatch,
    client: &Client,
    context: &Context<Public>,
) -> Outcome {
    if let Some(row) = &context.audit {
        row.conclude(Verdict::Deny, "redirect_uri_unregistered");
    }
    let (name, says) = client_names(client);
    let Named { client: id, .. } = context.named();
    tracing::warn!(
        request.id = %context.request_id, source.ip = %context.source.ip, client.id = id.as_deref(),
        client.name = %says.as_deref().unwrap_or(&name),
        reason = "redirect_uri_unregistered",
        redirect.received = %excerpt(&mismatch.received_bare()),
        redirect.nearest = %mismatch.nearest_bare().unwrap_or_default(),
        detail = %excerpt(&mismatch.to_string()), "redirect_uri is not registered"
    );
    let asked = format!(
        "{name} asked to be answered at an address that is not registered for it (redirect_uri is not registered \
         for this client)."
    );
    let received = format!("Received: {}", mismatch.received);
    let nearest = mismatch.nearest.as_ref().map(|nearest| {
        if nearest.at_same_place {
            format!("It {nearest}.")
        } else {
            "No address at this host is registered.".to_owned()
        }
    });
    let mut sentences = vec![asked.as_str(), &received];
    sentences.extend(nearest.as_deref());
    let message = Message {
        nonce: context.request_id.as_str(),
        title: "This does not work",
        sentences: &sentences,
        link: None,
        request_id: Some(context.request_id.as_str()),
    };
    page::show(&message, StatusCode::BAD_REQUEST, message.nonce, &[])
}
