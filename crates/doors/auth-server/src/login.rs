//! The sign-in page: which connector, and the form of the `local` ones.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use hyper::body::Incoming;

use gatehouse_audit::event::Outcome as Verdict;
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_config::snapshot::connector::Connector;
use gatehouse_edge::context::{Context, Named, Public};
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_oauth::form::Form;
use gatehouse_oauth::grant::Grant;

use crate::connector::local::{self, Claim, Password};
use crate::device;
use crate::evidence::note_client;
use crate::federation;
use crate::page::{self, Choice, Choose, Login, client_names, form_target};
use crate::password_limit::{Attempt, Locked};
use crate::server::AuthServer;
use crate::settings::configured;
use crate::signed_in;
use crate::step::{posted, step_url};
use crate::transaction::Transaction;

/// What the form says about the attempt before.
enum Attempted {
    Nothing,
    Wrong,
    TooOften(Locked),
}

/// `GET /login`: the form, the choice of connector, or the way to the one upstream IdP. Only a way in that turns out
/// to be closed is recorded.
pub(crate) async fn show(door: Arc<AuthServer>, _body: Incoming, context: Context<Public>) -> Outcome {
    let way_in = way_in(&door, &context).await;
    if let (Ok(_), Some(row)) = (&way_in, &context.audit) {
        row.withdraw();
    }
    way_in
}

async fn way_in(door: &AuthServer, context: &Context<Public>) -> Outcome {
    let query = Form::parse(context.head.uri.query().unwrap_or_default().as_bytes())
        .map_err(|error| Rejection::malformed("parameters_malformed", error.to_string()))?;
    let transaction = Transaction::open(door, query.one("transaction"), context).await?;
    let server = configured(context)?;
    if let Grant::Authenticated(grant) = &transaction.grant {
        return page::redirect(&step_url(&server.endpoints.consent, &grant.id), []);
    }
    let registered = door.client(transaction.grant.client(), context).await?;
    note_client(&registered.client, context);
    let connectors = connectors(&registered, context);
    let chosen = match (query.one("connector"), connectors.as_slice()) {
        (Some(name), _) => Some(find(&connectors, name)?),
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    match chosen {
        Some(Connector::Oidc(oidc)) => {
            context.note(|event| event.with_connector(oidc.name.as_str()));
            federation::begin(door, oidc, transaction.into_pending()?, context).await
        }
        Some(Connector::Local(local)) => {
            let name = local.name.as_str();
            form(&registered, &transaction, name, &Attempted::Nothing, context)
        }
        None => choice(&registered, &transaction, &connectors, context),
    }
}

/// `POST /login`: a username and a password.
pub(crate) async fn submit(door: Arc<AuthServer>, body: Incoming, context: Context<Public>) -> Outcome {
    let form_data = posted(body, &context).await?;
    let transaction = Transaction::open(&door, form_data.one("transaction"), &context).await?;
    transaction.check_form(&form_data)?;
    let registered = door.client(transaction.grant.client(), &context).await?;
    note_client(&registered.client, &context);
    let connectors = connectors(&registered, &context);
    let named = form_data.one("connector").unwrap_or_default();
    let Connector::Local(local) = find(&connectors, named)? else {
        return Err(Rejection::malformed("connector_takes_no_password", "This way in takes no password."));
    };
    let username = form_data.one("username").unwrap_or_default();
    let password = Password::new(form_data.one("password").unwrap_or_default());
    context.note(|event| event.with_claimed_user(username).with_connector(local.name.as_str()));
    let user = local.users.get(username);
    let device = match user {
        Some(user) => device::known(&door, user, &context)?,
        None => None,
    };
    let address = context.source.counted();
    let subject = user.map(|user| &user.subject);
    let attempt = Attempt { connector: &local.name, username, subject, address, device };
    if let Err(locked) = door.sign_ins.password_limit.begin(&attempt, context.now) {
        let name = local.name.as_str();
        conclude(&context, "too_many_attempts", name);
        return form(&registered, &transaction, name, &Attempted::TooOften(locked), &context);
    }
    let claim = Claim { username, password, from: address };
    let checked = local::authenticate(&door.sign_ins.passwords, local, claim, context.now).await;
    match checked.inspect_err(|_| door.sign_ins.password_limit.withdraw(&attempt))? {
        None => {
            conclude(&context, "password_wrong", local.name.as_str());
            form(&registered, &transaction, local.name.as_str(), &Attempted::Wrong, &context)
        }
        Some(signed_in) => {
            door.sign_ins.password_limit.succeeded(&attempt);
            let mut pending = transaction.into_pending()?;
            // A leg to an upstream IdP that was begun and left is given up: its answer will find no state.
            pending.upstream = None;
            let mut answer = signed_in::complete(&door, &registered, pending, signed_in, &context).await?;
            if let Some(user) = user {
                for cookie in device::remember(&door, user, &context)? {
                    answer.headers_mut().append(header::SET_COOKIE, cookie);
                }
            }
            Ok(answer)
        }
    }
}

/// The connectors of a client that are in force, in its order.
pub(crate) fn connectors<'a>(
    registered: &RegisteredClient,
    context: &'a Context<Public>,
) -> Vec<&'a Connector> {
    let names = registered.client.connectors.iter();
    names.filter_map(|name| context.snapshot.connectors.get(name).map(AsRef::as_ref)).collect()
}

fn find<'a>(connectors: &[&'a Connector], name: &str) -> Result<&'a Connector, Rejection> {
    connectors.iter().find(|connector| connector.name().as_str() == name).copied().ok_or_else(|| {
        Rejection::malformed("connector_unknown", "This way in is not open for this application.")
    })
}

fn form(
    registered: &RegisteredClient,
    transaction: &Transaction,
    connector: &str,
    attempted: &Attempted,
    context: &Context<Public>,
) -> Outcome {
    let (client_name, _) = client_names(&registered.client);
    let login = Login {
        nonce: context.request_id.as_str(),
        client_name: &client_name,
        action: &configured(context)?.endpoints.login,
        transaction: transaction.grant.id().as_str(),
        csrf: transaction.csrf(),
        connector,
        failed: matches!(attempted, Attempted::Wrong),
        locked: matches!(attempted, Attempted::TooOften(_)),
    };
    let status = match attempted {
        Attempted::Nothing => StatusCode::OK,
        Attempted::Wrong => StatusCode::BAD_REQUEST,
        Attempted::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
    };
    let mut response = page::show(&login, status, login.nonce, &targets(transaction))?;
    if let Attempted::TooOften(Locked(wait)) = attempted {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    Ok(response)
}

fn choice(
    registered: &RegisteredClient,
    transaction: &Transaction,
    connectors: &[&Connector],
    context: &Context<Public>,
) -> Outcome {
    let path = &configured(context)?.endpoints.login;
    let choices: Vec<Choice> = connectors
        .iter()
        .map(|connector| {
            let name = connector.name().as_str();
            let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
            let link = format!("{}&connector={encoded}", step_url(path, transaction.grant.id()));
            Choice { name: name.to_owned(), link }
        })
        .collect();
    let (client_name, _) = client_names(&registered.client);
    let choose = Choose { nonce: context.request_id.as_str(), client_name: &client_name, choices: &choices };
    page::show(&choose, StatusCode::OK, choose.nonce, &[])
}

/// The client's redirect origin: signing in may lead there without another page.
fn targets(transaction: &Transaction) -> Vec<String> {
    let request = match &transaction.grant {
        Grant::Pending(grant) => &grant.request,
        Grant::Authenticated(grant) => &grant.request,
        Grant::Consented(_) | Grant::Active(_) => return Vec::new(),
    };
    vec![form_target(request.redirect_uri.as_str())]
}

/// Who tried stands in the record only: people type their passwords into the wrong field.
fn conclude(context: &Context<Public>, reason: &'static str, connector: &str) {
    if let Some(row) = &context.audit {
        row.conclude(Verdict::Deny, reason);
    }
    let Named { client, grant, .. } = context.named();
    let (client, grant) = (client.as_deref(), grant.as_deref());
    tracing::info!(request.id = %context.request_id, source.ip = %context.source.ip, client.id = client, grant, connector, reason, "sign-in refused");
}
