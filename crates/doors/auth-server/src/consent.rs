//! Consent: asked once for the same client, redirect host, scopes and resources, and asked of the same browser that
//! signed in. An approval is what makes a code.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper::body::Incoming;

use gatehouse_audit::event::{EventKind, Exchange, Target};
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body::Body;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_identity::audience::Audience;
use gatehouse_oauth::authorization::{ConsentStep, RememberedConsent};
use gatehouse_oauth::client::{Client, ClientOrigin};
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::form::Form;
use gatehouse_oauth::grant::{Authenticated, Grant, Stage, new_code};
use gatehouse_store::consent::Consent;
use gatehouse_store::transition::Transition;

use crate::authorize::begin_as_another;
use crate::error_response::{self, refuse};
use crate::evidence::note_client;
use crate::evidence::with_user;
use crate::page::{self, client_names, form_target, readable};
use crate::server::AuthServer;
use crate::session;
use crate::settings::{configured, store_failed};
use crate::step::{posted, step_url};
use crate::transaction::{self, Transaction};

/// How long an agreement is remembered.
const REMEMBERED: Duration = Duration::from_hours(24 * 180);
/// The scopes of OpenID Connect in words.
const WORDS: [(&str, &str); 6] = [
    ("openid", "know who you are"),
    ("profile", "see your name and profile"),
    ("email", "see your email address"),
    ("phone", "see your phone number"),
    ("groups", "see the groups you belong to"),
    ("offline_access", "keep its access while you are away"),
];

/// `GET /consent`: the question, or straight on when it needs no answer.
pub(crate) async fn show(door: Arc<AuthServer>, _body: Incoming, context: Context<Public>) -> Outcome {
    let query = Form::parse(context.head.uri.query().unwrap_or_default().as_bytes())
        .map_err(|error| Rejection::malformed("parameters_malformed", error.to_string()))?;
    let transaction = Transaction::open(&door, query.one("transaction"), &context).await?;
    if let Grant::Pending(grant) = &transaction.grant {
        withdraw(&context);
        return page::redirect(&step_url(&configured(&context)?.endpoints.login, &grant.id), []);
    }
    let csrf = transaction.csrf().to_owned();
    let grant = transaction.into_authenticated()?;
    let registered = door.client(&grant.client, &context).await?;
    let client = &registered.client;
    note(&grant, client, &context);
    let remembered = grant.request.consent_is_memorable(client)
        && door
            .store
            .consents()
            .is_remembered(&agreement(&grant, client), context.now)
            .await
            .map_err(store_failed)?;
    let remembered = if remembered { RememberedConsent::Found } else { RememberedConsent::Absent };
    match grant.request.consent(client, remembered) {
        ConsentStep::Granted => approve(&door, grant, &context).await,
        ConsentStep::Ask => {
            withdraw(&context);
            ask(client, &grant, &csrf, &context)
        }
        ConsentStep::Refused => {
            let error = OAuthError::new(ErrorCode::ConsentRequired, "consent is needed, and prompt is none");
            refuse(&grant.request.refuse(client, error), &context)
        }
    }
}

/// `POST /consent`: the decision.
pub(crate) async fn decide(door: Arc<AuthServer>, body: Incoming, context: Context<Public>) -> Outcome {
    let form = posted(body, &context).await?;
    let transaction = Transaction::open(&door, form.one("transaction"), &context).await?;
    transaction.check_form(&form)?;
    let grant = transaction.into_authenticated()?;
    let registered = door.client(&grant.client, &context).await?;
    let client = &registered.client;
    note(&grant, client, &context);
    match form.one("decision") {
        Some("approve") => {
            context.note(|event| event.with_kind(EventKind::ConsentGranted));
            let memorable = grant.request.consent_is_memorable(client).then(|| agreement(&grant, client));
            let response = approve(&door, grant, &context).await?;
            if let Some(agreement) = memorable {
                remember(&door, &agreement, &context).await;
            }
            Ok(response)
        }
        Some("deny") => deny(&door, client, grant, &context).await,
        Some("switch") => switch(&door, grant, &context).await,
        _ => Err(Rejection::malformed("decision_missing", "Decide whether to allow or to deny.")),
    }
}

/// Makes the code and sends it to the client, once the record of it is durable.
async fn approve(door: &AuthServer, grant: Authenticated, context: &Context<Public>) -> Outcome {
    let server = configured(context)?;
    let (code, hash) = new_code(door.rng.as_ref());
    let location = grant.request.success_location(code.expose(), &server.issuer);
    let (id, scopes) = (grant.id.clone(), grant.request.scopes.clone());
    let consented = grant
        .consent(scopes, hash, context.now)
        .map_err(|error| Rejection::malformed("consent_too_late", format!("Sorry: {error}.")))?;
    let consented = Grant::Consented(consented);
    let moved = door.store.grants().advance(Stage::Authenticated, &consented, context.now).await;
    if !moved.map_err(store_failed)?.is_won() {
        return Err(transaction::over());
    }
    door.sign_ins.signin_limit.over(&id);
    commit(context).await?;
    page::redirect(&location, [transaction::end(&id, server)?])
}

/// Spares the user the question next time. That this fails takes nothing from what was just agreed.
async fn remember(door: &AuthServer, agreement: &Consent, context: &Context<Public>) {
    let until = context.now.plus(REMEMBERED);
    if let Err(error) = door.store.consents().remember(agreement, context.now, until).await {
        tracing::warn!(request.id = %context.request_id, error = %error, "consent not remembered");
    }
}

/// Ends the grant and tells the client. A person has decided this, so the browser goes there at once.
async fn deny(
    door: &AuthServer,
    client: &Client,
    grant: Authenticated,
    context: &Context<Public>,
) -> Outcome {
    let server = configured(context)?;
    if !door.store.grants().revoke(&grant.id, context.now).await.map_err(store_failed)?.is_won() {
        return Err(transaction::over());
    }
    door.sign_ins.signin_limit.over(&grant.id);
    error_response::conclude("user_declined", &format!("declined: {}", asked_for(&grant)), context);
    commit(context).await?;
    let error = OAuthError::new(ErrorCode::AccessDenied, "the user declined");
    let location = grant.request.refuse(client, error).location(&server.issuer);
    let location =
        location.ok_or_else(|| Rejection::internal("no_redirect", "a refusal without redirect"))?;
    page::redirect(&location, [transaction::end(&grant.id, server)?])
}

/// Somebody else sits at the browser than who is signed in there: the session ends, and the sign-in begins again. It
/// begins first: where the limits of sign-ins forbid that, nothing is taken from the person who is signed in.
async fn switch(door: &AuthServer, grant: Authenticated, context: &Context<Public>) -> Outcome {
    context.note(|event| event.with_kind(EventKind::Signout));
    let begun = begin_as_another(door, grant.request.clone(), context).await?;
    let grants = door.store.grants();
    if !grants.abandon(&grant.id).await.map_err(store_failed)?.is_won() {
        let _begun_for_nothing: Transition = grants.abandon(&begun.grant.id).await.map_err(store_failed)?;
        door.sign_ins.signin_limit.over(&begun.grant.id);
        return Err(transaction::over());
    }
    session::end(door, context).await?;
    door.sign_ins.signin_limit.over(&grant.id);
    let mut cookies = vec![transaction::end(&grant.id, configured(context)?)?, session::forget(context)?];
    cookies.extend(begun.cookies);
    page::redirect(&step_url(&configured(context)?.endpoints.login, &begun.grant.id), cookies)
}

/// What the person was asked to allow, for the log.
fn asked_for(grant: &Authenticated) -> String {
    let resources: Vec<&str> = grant.request.audiences.iter().map(Audience::as_str).collect();
    format!("scope {} at {}", grant.request.scopes, resources.join(", "))
}

fn ask(
    client: &Client,
    grant: &Authenticated,
    csrf: &str,
    context: &Context<Public>,
) -> Result<http::Response<Body>, Rejection> {
    let (title, says) = client_names(client);
    let name = readable(grant.user.shown_name());
    let request = &grant.request;
    let resources: Vec<&str> = request.audiences.iter().map(Audience::as_str).collect();
    let words = |scope| WORDS.iter().find(|(name, _)| *name == scope).map_or(scope, |(_, words)| *words);
    let scopes: Vec<&str> = request.scopes.iter().map(words).collect();
    let page = page::Consent {
        nonce: context.request_id.as_str(),
        client_title: &title,
        client_says: says.as_deref(),
        user: &name,
        destination: request.redirect_uri.destination(),
        loopback: request.redirect_uri.is_loopback(),
        resources: &resources,
        scopes: &scopes,
        action: &configured(context)?.endpoints.consent,
        transaction: grant.id.as_str(),
        csrf,
    };
    let targets = [form_target(request.redirect_uri.as_str())];
    page::show(&page, StatusCode::OK, page.nonce, &targets)
}

/// Exactly what the page shows.
fn agreement(grant: &Authenticated, client: &Client) -> Consent {
    let document = match &client.origin {
        ClientOrigin::Registered => None,
        ClientOrigin::MetadataDocument { fingerprint, .. } => Some(fingerprint.clone()),
    };
    Consent {
        user: grant.user.subject.clone(),
        client: grant.client.clone(),
        document,
        redirect_host: grant.request.redirect_uri.destination().to_owned(),
        scopes: grant.request.scopes.clone(),
        resources: grant.request.audiences.iter().cloned().collect(),
    }
}

fn note(grant: &Authenticated, client: &Client, context: &Context<Public>) {
    note_client(client, context);
    let Some(server) = &context.snapshot.authorization_server else { return };
    let object = grant.request.redirect_uri.destination().to_owned();
    context.note(|event| {
        with_user(event, &grant.user, client, &server.issuer)
            .with_target(Target { object: Some(object), ..Target::default() })
            .with_exchange(Exchange {
                grant: Some(grant.id.clone()),
                audiences: grant.request.audiences.iter().map(ToString::to_string).collect(),
                scope: Some(grant.request.scopes.to_string()),
                ..Exchange::default()
            })
    });
}

fn withdraw(context: &Context<Public>) {
    if let Some(row) = &context.audit {
        row.withdraw();
    }
}

async fn commit(context: &Context<Public>) -> Result<(), Rejection> {
    match &context.audit {
        Some(row) => row.commit().await,
        None => Err(Rejection::new(
            RejectionKind::Internal,
            "audit_missing",
            "Something went wrong here; the request id leads operators to it.",
        )),
    }
}
