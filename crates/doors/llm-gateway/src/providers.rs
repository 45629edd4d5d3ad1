//! What requests to each provider account have in common, made once for a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::{InvalidUri, PathAndQuery, Uri};

use gatehouse_config::snapshot::llm::{Account, AccountCredential, LlmGateway as Settings};
use gatehouse_edge::rejection::Rejection;

use crate::offers::{Offers, Source};

/// What is asked of a provider.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// A reply to messages.
    Messages,
    /// The number of tokens in them.
    CountTokens,
}

/// The accounts of a snapshot, by the names of their apps.
pub(crate) struct Providers(HashMap<String, Result<Provider, String>>);

/// One account, ready to be called.
pub(crate) struct Provider {
    /// Its settings.
    pub(crate) account: Arc<Account>,
    /// Its origin, as audit records name it.
    pub(crate) origin: String,
    /// What requests carry in place of the caller's credential; sensitive.
    pub(crate) credential: (HeaderName, HeaderValue),
    /// What the provider offers, as it last said.
    pub(crate) offers: Offers,
    messages: Uri,
    count_tokens: Uri,
}

impl Providers {
    /// Those of `settings`. One that cannot be called says why when a route names it.
    pub(crate) fn new(settings: &Settings) -> Self {
        let prepared = |account: &Arc<Account>| {
            let why = |why: String| format!("{}: {why}", account.name);
            (account.name.as_str().to_owned(), Provider::new(Arc::clone(account)).map_err(why))
        };
        Self(settings.accounts.values().map(prepared).collect())
    }

    /// The account that a route names.
    pub(crate) fn find(&self, app: &str) -> Result<&Provider, Rejection> {
        match self.0.get(app) {
            Some(Ok(provider)) => Ok(provider),
            Some(Err(why)) => Err(Rejection::internal("account_unusable", why.as_str())),
            None => Err(Rejection::internal("account_missing", format!("no account {app}"))),
        }
    }
}

impl Provider {
    fn new(account: Arc<Account>) -> Result<Self, String> {
        let base = account.base_url.as_str().trim_end_matches('/');
        let at = |path: &str| {
            format!("{base}{path}").parse().map_err(|error: InvalidUri| format!("its baseURL: {error}"))
        };
        let (messages, count_tokens) = (at("/v1/messages")?, at("/v1/messages/count_tokens")?);
        let (name, value) = match &account.credential {
            AccountCredential::ApiKey(key) => {
                (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key.expose()))
            }
            AccountCredential::BearerToken(token) => {
                (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", token.expose())))
            }
        };
        let mut value = value.map_err(|_| "its credential is no header value".to_owned())?;
        value.set_sensitive(true);
        let origin = account.base_url.origin().ascii_serialization();
        let credential = (name, value);
        let offers = Offers::of(Source {
            account: Arc::clone(&account),
            path: format!("{}/v1/models", account.base_url.path().trim_end_matches('/')),
            credential: credential.clone(),
        });
        Ok(Self { account, origin, credential, offers, messages, count_tokens })
    }

    /// Where requests for `operation` go there.
    pub(crate) fn path(&self, operation: Operation) -> PathAndQuery {
        let path = self.uri(operation).path_and_query();
        path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
    }

    /// Where requests for `operation` go.
    pub(crate) fn uri(&self, operation: Operation) -> &Uri {
        match operation {
            Operation::Messages => &self.messages,
            Operation::CountTokens => &self.count_tokens,
        }
    }
}
