//! The LLM gateway: its protection, models and provider accounts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::{AppName, Issuer};
use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key::{KeyTable, StaticKey};
use gatehouse_llm::model::{Model, ModelCatalog};
use gatehouse_llm::price::{PriceList, Rate};
use gatehouse_llm::route::Route;
use gatehouse_policy::Policy;
use gatehouse_policy::input::Point;
use url::Url;

use super::compiler::Compiler;
use super::origin::is_loopback;
use super::policy;
use super::protection::{self, Gateway, Protection};
use super::tls::TlsProfile;
use crate::document::Root;
use crate::document::app::App;
use crate::document::llm::{ApiKey, LlmApp, LlmProvider, LlmTimeouts, ModelEntry, Price};
use crate::document::scalar::Written;
use crate::document::spot::Placed;

pub use crate::document::llm::Provider;

/// The LLM gateway.
pub struct LlmGateway {
    /// What stands before `/v1` in its paths; empty, or `/` and a name.
    pub path: String,
    /// The URL of the resource, as tokens name it.
    pub resource: String,
    /// Whose tokens are accepted; `None` when only static keys are.
    pub protection: Option<Protection>,
    /// Static keys.
    pub keys: KeyTable,
    /// Policies of model calls; none allows.
    pub inbound: Vec<Policy>,
    /// What clients see.
    pub models: ModelCatalog,
    /// Provider accounts.
    pub accounts: BTreeMap<AppName, Arc<Account>>,
    /// The largest request, in bytes.
    pub body_limit: usize,
    /// How long providers may take.
    pub timeouts: Timeouts,
}

/// How long providers may take, and clients may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a streamed reply begins.
    pub first_event: Duration,
    /// Until a whole reply begins.
    pub whole_reply: Duration,
    /// Until tokens are counted.
    pub token_count: Duration,
    /// Within a stream that is silent, until the client gets a ping.
    pub ping: Duration,
    /// Within a stream that is silent, until it is given up.
    pub idle: Duration,
    /// For a stream in all.
    pub total: Duration,
    /// How long a client may keep trying a request that keeps failing, before it is told to stop.
    pub retries: Duration,
    /// The same where the provider asks for patience (429).
    pub rate_limited_retries: Duration,
}

/// An account at a model provider.
pub struct Account {
    /// Its name.
    pub name: AppName,
    /// What the provider speaks.
    pub provider: Provider,
    /// Where requests go; paths such as `/v1/messages` are appended.
    pub base_url: Url,
    /// A label for policies.
    pub region: Option<String>,
    /// A label for policies.
    pub residency: Option<String>,
    /// What requests carry.
    pub credential: AccountCredential,
    /// How its certificate is checked.
    pub tls: Option<Arc<TlsProfile>>,
}

/// What requests to a provider carry.
pub enum AccountCredential {
    /// `x-api-key`.
    ApiKey(Secret),
    /// `Authorization: Bearer`.
    BearerToken(Secret),
}

/// Where the Anthropic API is.
const ANTHROPIC: &str = "https://api.anthropic.com";

pub(crate) fn compile(root: &Root, compiler: &mut Compiler<'_>) -> Option<LlmGateway> {
    let accounts = accounts(root, compiler);
    let Some(provider) = root.llm_provider.as_ref().filter(|provider| provider.enabled) else {
        for app in root.apps.iter().filter(|app| matches!(app, App::Llm(_))) {
            let hint = "write llmProvider, or remove the app";
            compiler.report.error_with(&app.name().place, "an llm app without an enabled llmProvider", hint);
        }
        return None;
    };
    let authorization = &provider.authorization;
    let resource = format!("{}{}", compiler.origin, provider.path.0);
    let gateway = Gateway { resource: &resource, id_tokens: true, clients: clients(root) };
    let protection =
        authorization.oauth.as_ref().and_then(|oauth| protection::compile(oauth, &gateway, compiler));
    let keys = keys(&authorization.keys, compiler);
    if authorization.oauth.is_none() && authorization.keys.is_empty() {
        let hint = "write `oauth` or `keys`";
        compiler.report.error_with(&authorization.place, "nobody could call a model", hint);
    }
    let inbound = policy::compile_point(&authorization.inbound, Point::ModelCall, compiler);
    let models = models(provider, root, compiler);
    let timeouts = timeouts(&provider.timeouts, compiler);
    let body_limit = compiler.within(&provider.limits.body_bytes, 1_024..=256 * 1024 * 1024);
    Some(LlmGateway {
        path: provider.path.0.clone(),
        resource,
        protection,
        keys,
        inbound,
        models: models?,
        accounts,
        body_limit: usize::try_from(body_limit?).ok()?,
        timeouts: timeouts?,
    })
}

/// From a millisecond to a day each, and pings before the end.
fn timeouts(written: &LlmTimeouts, compiler: &mut Compiler<'_>) -> Option<Timeouts> {
    let mut within = |written: &Placed<Duration>| {
        let sound = (Duration::from_millis(1)..=Duration::from_hours(24)).contains(&written.value);
        if !sound {
            compiler.report.error(&written.place, format!("expected 1ms to 24h, found {:?}", written.value));
        }
        sound.then_some(written.value)
    };
    let timeouts = Timeouts {
        first_event: within(&written.first_event)?,
        whole_reply: within(&written.whole_reply)?,
        token_count: within(&written.token_count)?,
        ping: within(&written.ping)?,
        idle: within(&written.idle)?,
        total: within(&written.total)?,
        retries: within(&written.retries)?,
        rate_limited_retries: within(&written.rate_limited_retries)?,
    };
    if timeouts.ping >= timeouts.idle {
        let message = format!("a stream would be given up after {:?}, before its first ping", timeouts.idle);
        compiler.report.warning(&written.ping.place, message, "write less than for `idle`");
    }
    Some(timeouts)
}

/// Our clients, and the audiences that each may ask for by name.
fn clients(root: &Root) -> Vec<(Audience, Vec<Audience>)> {
    let clients = root.apps.iter().filter_map(|app| match app {
        App::Client(client) => Some(client),
        _ => None,
    });
    let audience = |text: &Placed<String>| Audience::new(text.value.clone());
    clients
        .map(|client| (audience(&client.client_id), client.allowed_audiences.iter().map(audience).collect()))
        .collect()
}

fn keys(written: &[ApiKey], compiler: &mut Compiler<'_>) -> KeyTable {
    let mut keys: Vec<StaticKey> = Vec::new();
    for key in written {
        let hash = match key.hash.parse() {
            Ok(hash) => hash,
            Err(error) => {
                let error: gatehouse_identity::static_key::KeyHashError = error;
                compiler.report.error(&key.hash.place, error.to_string());
                continue;
            }
        };
        if keys.iter().any(|other| other.name == key.name.value || other.hash == hash) {
            compiler.report.error(&key.place, "another key has the same name or the same hash");
        }
        if let Some(expires) = &key.expires {
            compiler.expiry(&expires.place, expires.value, &format!("the key `{}`", key.name.value));
        }
        let (name, groups) = (key.name.value.clone(), Arc::from(key.groups.as_slice()));
        let expires_at = key.expires.as_ref().map(|expires| expires.value);
        keys.push(StaticKey { name, hash, groups, expires_at });
    }
    KeyTable::new(Issuer::new(compiler.origin.clone()), keys)
}

fn accounts(root: &Root, compiler: &mut Compiler<'_>) -> BTreeMap<AppName, Arc<Account>> {
    let mut accounts = BTreeMap::new();
    for app in &root.apps {
        if let App::Llm(app) = app
            && let Some(account) = account(app, compiler)
        {
            accounts.insert(account.name.clone(), Arc::new(account));
        }
    }
    accounts
}

fn account(app: &LlmApp, compiler: &mut Compiler<'_>) -> Option<Account> {
    let base_url = match &app.base_url {
        Some(url) => {
            if url.scheme() != "https" && !is_loopback(url) {
                compiler.report.error(&url.place, "a provider's credential is sent over https only");
            }
            if url.query().is_some() || url.path().trim_end_matches('/').ends_with("/v1") {
                let hint = "leave out `/v1` and any query";
                compiler.report.error_with(&url.place, "`/v1/messages` is appended to this URL", hint);
            }
            url.value.clone()
        }
        None => Url::parse(ANTHROPIC).ok()?,
    };
    let credential = match (&app.credentials.api_key, &app.credentials.bearer_token) {
        (Some(key), None) => AccountCredential::ApiKey(key.clone()),
        (None, Some(token)) => AccountCredential::BearerToken(token.clone()),
        _ => {
            compiler.report.error(&app.credentials.place, "expected exactly one of apiKey and bearerToken");
            return None;
        }
    };
    let (AccountCredential::ApiKey(secret) | AccountCredential::BearerToken(secret)) = &credential;
    if let Some(found) = secret.expose().chars().find(|letter| !letter.is_ascii_graphic()) {
        let message = format!(
            "expected a credential of visible ASCII characters, as it is sent in a header; found U+{:04X} in it",
            u32::from(found)
        );
        compiler.report.error_with(
            &app.credentials.place,
            message,
            "look for a line end or a space around it",
        );
    }
    Some(Account {
        name: AppName::new(app.name.value.clone()),
        provider: app.provider,
        base_url,
        region: app.region.clone(),
        residency: app.residency.clone(),
        credential,
        tls: compiler.tls_profile(app.tls.as_ref()),
    })
}

fn models(provider: &LlmProvider, root: &Root, compiler: &mut Compiler<'_>) -> Option<ModelCatalog> {
    if provider.models.is_empty() {
        let hint = "list at least one model";
        compiler.report.error_with(&provider.place.child("models"), "no model could be called", hint);
    }
    let known: Vec<&str> = root
        .apps
        .iter()
        .filter_map(|app| match app {
            App::Llm(app) => Some(app.name.as_str()),
            _ => None,
        })
        .collect();
    let mut seen = Vec::new();
    let mut models = Vec::new();
    for entry in &provider.models {
        if seen.contains(&entry.id.value) {
            compiler.report.error(&entry.id.place, format!("another model is called `{}`", entry.id.value));
            continue;
        }
        seen.push(entry.id.value.clone());
        let model = model(entry, &known, compiler);
        // Alone first, so that an error is placed at its model.
        match ModelCatalog::new(vec![model.clone()]) {
            Ok(_) => models.push(model),
            Err(error) => compiler.report.error(&entry.id.place, error.to_string()),
        }
    }
    ModelCatalog::new(models).ok()
}

fn model(entry: &ModelEntry, known: &[&str], compiler: &mut Compiler<'_>) -> Model {
    for route in &entry.routes.value {
        if !known.contains(&route.app.as_str()) {
            compiler.dangling(&route.app, "llm app", known);
        }
    }
    let route = |app: &Placed<String>, model: Option<&Placed<String>>| Route {
        app: app.value.clone(),
        model: model.unwrap_or(&entry.id).value.clone(),
    };
    Model {
        id: entry.id.value.clone(),
        display_name: entry.display_name.clone().unwrap_or_else(|| entry.id.value.clone()),
        family: entry.family.clone(),
        family_default: entry.family_default,
        created_at: entry.created_at.map(|time| time.to_string()),
        max_input_tokens: entry.max_input_tokens,
        supports_1m: entry.supports_1m,
        routes: entry.routes.value.iter().map(|each| route(&each.app, each.model.as_ref())).collect(),
        price: entry.price.as_ref().and_then(|written| price(written, compiler)),
    }
}

/// Rates for the cache that are not written are those of plain input.
fn price(written: &Price, compiler: &mut Compiler<'_>) -> Option<PriceList> {
    let mut rate = |text: &Placed<Written>| match text.0.parse::<Rate>() {
        Ok(rate) => Some(rate),
        Err(error) => {
            compiler.report.error(&text.place, error.to_string());
            None
        }
    };
    let input = rate(&written.input);
    let output = rate(&written.output);
    let write = rate(written.cache_write.as_ref().unwrap_or(&written.input));
    let longer = written.cache_write_1h.as_ref().or(written.cache_write.as_ref());
    let write_1h = rate(longer.unwrap_or(&written.input));
    let read = rate(written.cache_read.as_ref().unwrap_or(&written.input));
    Some(PriceList {
        input: input?,
        output: output?,
        cache_write: write?,
        cache_write_1h: write_1h?,
        cache_read: read?,
    })
}
