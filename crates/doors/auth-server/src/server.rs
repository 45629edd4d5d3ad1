//! The authorization server as it stands: what all handlers share.

use std::io;
use std::sync::Arc;

use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_edge::authn::client::ClientDirectory;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::issuer::TokenIssuer;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::ClientId;
use gatehouse_identity::rng::Rng;
use gatehouse_store::Store;

use crate::connector::local::PasswordChecks;
use crate::connector::oidc::Upstreams;
use crate::password_limit::PasswordLimit;
use crate::signin_limit::SignInLimit;

/// What the door is made of.
pub struct Parts {
    /// Grants, sessions, consents.
    pub store: Arc<dyn Store>,
    /// Where tokens come from.
    pub issuer: TokenIssuer,
    /// Who may ask for them.
    pub clients: ClientDirectory,
    /// The way to upstream IdPs.
    pub outbound: Arc<Outbound>,
    /// The time, for what is cached of upstream IdPs.
    pub clock: Arc<dyn Clock>,
    /// Randomness for codes, sessions and states.
    pub rng: Arc<dyn Rng>,
    /// What is counted of those who sign in, and where passwords are hashed.
    pub sign_ins: Arc<SignIns>,
}

/// Counts of sign-ins and the threads that hash passwords: they outlive a configuration, or a new one would open every
/// lock.
pub struct SignIns {
    pub(crate) password_limit: PasswordLimit,
    pub(crate) signin_limit: SignInLimit,
    pub(crate) passwords: PasswordChecks,
}

impl SignIns {
    /// Nothing is counted, and the threads wait. Errors when the system refuses the threads.
    pub fn start() -> io::Result<Self> {
        let passwords = PasswordChecks::start()?;
        Ok(Self { password_limit: PasswordLimit::none(), signin_limit: SignInLimit::none(), passwords })
    }
}

/// The authorization server, with what outlives a configuration.
pub struct AuthServer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) issuer: TokenIssuer,
    pub(crate) clients: ClientDirectory,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) sign_ins: Arc<SignIns>,
    pub(crate) upstreams: Upstreams,
}

impl AuthServer {
    /// Puts the door together.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, issuer, clients, outbound, clock, rng, sign_ins } = parts;
        Arc::new(Self {
            store,
            issuer,
            clients,
            upstreams: Upstreams::new(Arc::clone(&outbound), clock),
            outbound,
            rng,
            sign_ins,
        })
    }

    /// The client of a grant, as it is registered now.
    pub(crate) async fn client(
        &self,
        id: &ClientId,
        context: &Context<Public>,
    ) -> Result<Arc<RegisteredClient>, Rejection> {
        self.clients.find(id, context).await
    }
}
