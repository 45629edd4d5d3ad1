//! Tokens of our own for calls to upstreams: exchanged for the caller's (RFC 8693) or the gateway's own (RFC 6749
//! §4.4). The caller's token goes to the authorization server that is asked, and nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moka::future::Cache;

use gatehouse_audit::event::Exchange as TokenFacts;
use gatehouse_config::snapshot::outbound::{Outbound as OutboundRule, Reach};
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::secret::Secret;

use crate::authn::client::ClientDirectory;
use crate::context::{Context, Verified};
use crate::issuer::{Minted, TokenIssuer};
use crate::outbound::Outbound;
use crate::permit::{Delegated, Listing, Permitted};
use crate::rejection::{Rejection, RejectionKind};
use remote::Servers;
use token_need::{Key, KeyRef, TokenNeed};

mod local;
mod remote;
mod token_need;
mod token_reply;

/// How long before its end a token is not used for another call.
const MARGIN: Duration = Duration::from_secs(30);
/// How old a token is at least before another one is worth trying in its place.
const SETTLED: Duration = Duration::from_secs(10);
/// Room for all tokens and what is held beside them, in KiB.
const ROOM: u64 = 64 * 1024;
/// What is held beside the text of a token and the claims that policies are asked about, in bytes.
const BESIDE: usize = 2 * 1024;

/// Gets outbound credentials.
pub struct Delegation {
    issuer: Option<TokenIssuer>,
    clients: ClientDirectory,
    servers: Servers,
    held: Cache<Key, Arc<OutboundToken>>,
}

/// A token for an upstream.
pub struct OutboundToken {
    /// The token.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What audit records of the calls that carry it say about it.
    facts: TokenFacts,
    /// When it was made.
    made_at: Timestamp,
    /// What our policies were asked about it, when we minted it and there are any.
    minted: Option<Box<Minted>>,
    /// What it is held under, once it is.
    key: Option<Box<Key>>,
}

/// What an upstream request carries.
pub enum OutboundCredential {
    /// `Authorization: Bearer`.
    Bearer(Arc<OutboundToken>),
    /// One configured header.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// Nothing.
    None,
}

impl Delegation {
    /// `issuer` is our own authorization server, when this process is one.
    pub fn new(issuer: Option<TokenIssuer>, clients: ClientDirectory, outbound: Arc<Outbound>) -> Self {
        Self {
            issuer,
            clients,
            servers: Servers::new(outbound),
            held: Cache::builder()
                .max_capacity(ROOM)
                .weigher(|_: &Key, held: &Arc<OutboundToken>| held.kib())
                .time_to_live(Duration::from_secs(24 * 60 * 60))
                .build(),
        }
    }

    /// The credential for a permitted call of a tool.
    pub async fn credential<A: Delegated>(
        &self,
        call: &Permitted<A>,
        context: &Context<Verified>,
    ) -> Result<OutboundCredential, Rejection> {
        let credential = self.credential_for(call.act(), context).await?;
        Ok(credential.noted(context))
    }

    /// The credential for asking an upstream what it offers: as for a call, without the scopes of any tool.
    pub async fn listing_credential(
        &self,
        listing: &Permitted<Listing<'_>>,
        context: &Context<Verified>,
    ) -> Result<OutboundCredential, Rejection> {
        // The record of a call tells of the token that goes out with it, not of one that the list was read with.
        self.credential_for(listing.act(), context).await
    }

    /// Whether this request would be given the credential for asking an upstream what it offers, before it is shown
    /// what another one was told with it. It is no use of that credential, so no record tells of one.
    pub async fn confirm_listing(
        &self,
        listing: &Permitted<Listing<'_>>,
        context: &Context<Verified>,
    ) -> Result<(), Rejection> {
        match listing.act().credential_rule() {
            Some(OutboundRule::TokenExchange(exchange))
                if matches!(exchange.authority.reach, Reach::Local) =>
            {
                self.credential_for(listing.act(), context).await.map(drop)
            }
            // The server abroad decided by the token alone, which the list is held for.
            Some(
                OutboundRule::TokenExchange(_)
                | OutboundRule::ClientCredentials { .. }
                | OutboundRule::Static { .. }
                | OutboundRule::Unprotected,
            )
            | None => Ok(()),
        }
    }

    /// Lets go of a token that an upstream refused before its end, perhaps because it was revoked there. Says whether
    /// asking for the credential again may give one that is accepted: not if it is configured, nor if the token was
    /// made a moment ago, so that an upstream that refuses everything does not cost a token per call.
    pub async fn forget(&self, refused: &OutboundCredential, now: Timestamp) -> bool {
        let OutboundCredential::Bearer(refused) = refused else { return false };
        let Some(key) = refused.key.as_deref() else { return false };
        let held = self.held.get(key).await;
        if held.is_some_and(|held| !Arc::ptr_eq(&held, refused)) {
            return true;
        }
        let settled = refused.made_at.plus(SETTLED) <= now;
        if settled {
            self.held.invalidate(key).await;
        }
        settled
    }

    async fn credential_for(
        &self,
        act: &impl Delegated,
        context: &Context<Verified>,
    ) -> Result<OutboundCredential, Rejection> {
        let Some(rule) = act.credential_rule() else { return Ok(OutboundCredential::None) };
        match rule {
            OutboundRule::Unprotected => Ok(OutboundCredential::None),
            OutboundRule::Static { header, value } => {
                Ok(OutboundCredential::Header { name: header.clone(), value: value.clone() })
            }
            OutboundRule::TokenExchange(exchange) => {
                let ask = TokenNeed::for_tool(exchange, act.tool(), context.who.caller())?;
                self.token(&ask, context).await.map(OutboundCredential::Bearer)
            }
            OutboundRule::ClientCredentials { authority, audience, scopes } => {
                let ask = TokenNeed {
                    authority,
                    audience: audience.as_ref(),
                    scopes,
                    lifetime: None,
                    subject: None,
                };
                self.token(&ask, context).await.map(OutboundCredential::Bearer)
            }
        }
    }

    /// A held token that lasts long enough and that this request would be given as well, or a fresh one. Requests that
    /// want the same token wait for one to be made; each is then decided by itself.
    async fn token(
        &self,
        ask: &TokenNeed<'_>,
        context: &Context<Verified>,
    ) -> Result<Arc<OutboundToken>, Rejection> {
        self.check_standing(ask, context)?;
        let key = ask.key(context);
        match self.usable(&key, context).await {
            Some(held) if held.is_for(ask, context).await => Ok(held),
            // It stays for those whom it was made for.
            Some(_) => Box::pin(self.fresh(ask, context)).await.map(Arc::new),
            None => Box::pin(self.shared(&key.to_key(), ask, context)).await,
        }
    }

    /// The token that is held under `key`, if it lasts long enough and was not taken back.
    async fn usable(&self, key: &KeyRef<'_>, context: &Context<Verified>) -> Option<Arc<OutboundToken>> {
        let held = self.held.get(key).await?;
        if held.expires_at > context.now.plus(MARGIN) && !self.is_revoked(&held) {
            return Some(held);
        }
        self.held.invalidate(key).await;
        None
    }

    /// A fresh token, made by this request or by another one that wants the same at the same time.
    async fn shared(
        &self,
        key: &Key,
        ask: &TokenNeed<'_>,
        context: &Context<Verified>,
    ) -> Result<Arc<OutboundToken>, Rejection> {
        let made_here = AtomicBool::new(false);
        let making = self.held.try_get_with(key.clone(), async {
            made_here.store(true, Ordering::Relaxed);
            let fresh = self.fresh(ask, context).await?;
            Ok(Arc::new(OutboundToken { key: Some(Box::new(key.clone())), ..fresh }))
        });
        let made = making.await;
        let is_ours_to_decide = matches!(ask.authority.reach, Reach::Local);
        let token = match made {
            Ok(token) if made_here.load(Ordering::Relaxed) || token.is_for(ask, context).await => token,
            Err(shared) if made_here.load(Ordering::Relaxed) || !is_ours_to_decide => {
                return Err(Rejection::clone(&shared));
            }
            // What was decided for the other request says nothing about this one.
            Ok(_) | Err::<_, Arc<Rejection>>(_) => return self.fresh(ask, context).await.map(Arc::new),
        };
        if token.expires_at <= context.now.plus(MARGIN) {
            self.held.invalidate(key).await;
        }
        Ok(token)
    }

    async fn fresh(
        &self,
        ask: &TokenNeed<'_>,
        context: &Context<Verified>,
    ) -> Result<OutboundToken, Rejection> {
        match &ask.authority.reach {
            Reach::Local => self.mint(ask, context).await,
            Reach::Remote { discovery, client_secret, tls } => {
                let server = remote::Server { discovery, client_secret, tls: tls.as_ref() };
                self.servers.ask(&server, ask, context).await
            }
        }
    }
}

impl OutboundCredential {
    /// The same, for the record of the request that carries it.
    fn noted(self, context: &Context<Verified>) -> Self {
        if let Self::Bearer(token) = &self {
            context.note(|event| event.with_exchange(token.facts.clone()));
        }
        self
    }
}

impl OutboundToken {
    /// How much room it takes, in KiB.
    fn kib(&self) -> u32 {
        let claims = self.minted.as_ref().map_or(0, |minted| minted.weight());
        let bytes = self.token.expose().len().saturating_add(claims).saturating_add(BESIDE);
        u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX)
    }

    fn new(token: Secret, expires_at: Timestamp, facts: TokenFacts, made_at: Timestamp) -> Self {
        Self { token, expires_at, facts, made_at, minted: None, key: None }
    }

    fn with_decision(self, minted: Option<Minted>) -> Self {
        Self { minted: minted.map(Box::new), ..self }
    }
}

fn refusal(error: impl std::fmt::Display) -> Rejection {
    refused(error.to_string())
}

fn refused(why: impl Into<String>) -> Rejection {
    Rejection::new(
        RejectionKind::Forbidden,
        "exchange_refused",
        "No token for this tool could be obtained for you.",
    )
    .because(why)
}
