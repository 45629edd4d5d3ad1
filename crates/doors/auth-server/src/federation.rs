//! The way to an upstream IdP and back: one transaction, one connector, one browser.

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::body::Incoming;
use url::Url;

use gatehouse_audit::event::Outcome as Verdict;
use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::connector::{Connector, OidcConnector};
use gatehouse_edge::context::{Context, Named, Public, Single};
use gatehouse_edge::rejection::{Rejection, excerpt, loggable};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_oauth::form::Form;
use gatehouse_oauth::grant::{Grant, Pending, Stage};

use crate::connector::oidc;
use crate::connector::oidc::answer::{self, NoUser};
use crate::connector::oidc::expected::Expected;
use crate::error_response;
use crate::evidence::note_client;
use crate::metadata::origin;
use crate::page;
use crate::server::AuthServer;
use crate::settings::{configured, store_failed};
use crate::signed_in;
use crate::transaction::{self, Transaction};

/// The paths at which answers of upstream IdPs come in: those that are configured as redirect URLs, and for each
/// connector without any one of its own.
pub(crate) fn callback_paths(snapshot: &Snapshot) -> BTreeSet<String> {
    let connectors = snapshot.connectors.values().filter_map(|connector| match connector.as_ref() {
        Connector::Oidc(oidc) => Some(oidc.as_ref()),
        Connector::Local(_) => None,
    });
    connectors.flat_map(paths_of).collect()
}

fn paths_of(connector: &OidcConnector) -> Vec<String> {
    if connector.redirects.is_empty() {
        return vec![default_path(connector)];
    }
    connector.redirects.iter().map(|url| url.path().to_owned()).collect()
}

fn default_path(connector: &OidcConnector) -> String {
    let name: String = url::form_urlencoded::byte_serialize(connector.name.as_str().as_bytes()).collect();
    format!("/federation/{name}/callback")
}

/// Sends the browser to the connector's provider.
pub(crate) async fn begin(
    door: &AuthServer,
    connector: &OidcConnector,
    pending: Pending,
    context: &Context<Public>,
) -> Outcome {
    let published = door.upstreams.published(connector, None).await?;
    let (leg, state) = oidc::new_leg(connector, pending.id.as_str(), door.rng.as_ref());
    let redirect_uri = redirect_uri(connector, context)?;
    let request = &pending.request;
    let url = oidc::authorization_url(connector, &published, &leg, &state, &redirect_uri, request)?;
    let grant = Grant::Pending(pending.sent_upstream(leg));
    let moved =
        door.store.grants().advance(Stage::Pending, &grant, context.now).await.map_err(store_failed)?;
    if moved.is_won() { page::redirect(url.as_str(), []) } else { Err(transaction::over()) }
}

/// The answer of a provider. Which connector it belongs to is the transaction's word, never the answer's.
pub(crate) async fn callback(door: Arc<AuthServer>, _body: Incoming, context: Context<Public>) -> Outcome {
    let response = Form::parse(context.head.uri.query().unwrap_or_default().as_bytes())
        .map_err(|error| Rejection::malformed("upstream_answer_malformed", error.to_string()))?;
    let state = response.one("state").unwrap_or_default();
    let transaction = state.split_once('.').map(|(transaction, _)| transaction);
    let pending = Transaction::open(&door, transaction, &context).await?.into_pending()?;
    let leg = pending.upstream.clone().filter(|leg| leg.state.matches(state)).ok_or_else(wrong_state)?;
    let registered = door.client(&pending.client, &context).await?;
    note_client(&registered.client, &context);
    context.note(|event| event.with_connector(leg.connector.as_str()));
    let connector = context.snapshot.connectors.get(&leg.connector).map(AsRef::as_ref);
    let Some(Connector::Oidc(connector)) = connector else { return Err(wrong_state()) };
    if !paths_of(connector).iter().any(|path| path == context.head.uri.path()) {
        return Err(wrong_state());
    }
    let redirect_uri = redirect_uri(connector, &context)?;
    let max_age = pending.request.max_age;
    let expected = Expected {
        snapshot: &context.snapshot,
        connector,
        leg: &leg,
        redirect_uri: &redirect_uri,
        max_age,
        now: context.now,
    };
    let fetcher = &door.outbound.egress(connector.tls.as_ref()).fetcher;
    match answer::user(&door.upstreams, fetcher, &response, &expected).await {
        Ok(user) => signed_in::complete(&door, &registered, pending, user, &context).await,
        Err(NoUser::Rejected(rejection)) => Err(*rejection),
        Err(NoUser::Refused(upstream)) => {
            if let Some(row) = &context.audit {
                row.conclude(Verdict::Deny, "upstream_idp_refused");
            }
            let Named { client, grant, .. } = context.named();
            tracing::info!(
                request.id = %context.request_id, source.ip = %context.source.ip, connector = %connector.name,
                client.id = client.as_deref(), grant = grant.as_deref(), reason = "upstream_idp_refused",
                detail = %loggable(excerpt(&upstream.said)), "identity provider refused a sign-in"
            );
            error_response::answer(&pending.request.refuse(&registered.client, upstream.error), &context)
        }
    }
}

/// The redirect URL whose host the browser is at, else the first; without any, our own path at the issuer's origin.
fn redirect_uri(connector: &OidcConnector, context: &Context<Public>) -> Result<String, Rejection> {
    let host = context
        .head
        .single(Single::Host)
        .or_else(|| context.head.uri.authority().map(http::uri::Authority::as_str));
    let here = |url: &&Url| {
        let authority = url.port().map_or_else(
            || url.host_str().unwrap_or_default().to_owned(),
            |port| format!("{}:{port}", url.host_str().unwrap_or_default()),
        );
        host.is_some_and(|host| host.eq_ignore_ascii_case(&authority))
    };
    let registered = connector.redirects.iter().find(here).or_else(|| connector.redirects.first());
    match registered {
        Some(url) => Ok(url.to_string()),
        None => Ok(format!("{}{}", origin(configured(context)?), default_path(connector))),
    }
}

fn wrong_state() -> Rejection {
    Rejection::malformed(
        "upstream_state_wrong",
        "This answer does not belong to the sign-in that was begun here. Go back to the application and start again.",
    )
}
