//! Repository traits by aggregate and the one conformance suite that every backend must pass.
//!
//! Three rules hold for every backend:
//! - **Durable before acknowledged.** A method that writes returns after the write survives a crash.
//! - **One-time means one conditional write.** Such methods return a [`transition::Transition`]; there is no
//!   "check" method to call first. Time is an argument, and expired rows are absent, swept or not.
//! - **A backend that is down says so quickly** with [`error::StoreError::Unavailable`].

pub mod conformance;
pub mod consent;
pub mod error;
pub mod fingerprint;
pub mod grant;
pub mod maintenance;
pub mod one_time;
pub mod refresh;
pub mod revocation;
pub mod session;
pub mod signing_key;
pub mod transition;

/// Everything the gateway keeps, by aggregate: `store.grants().redeem(..)`.
pub trait Store: Send + Sync {
    /// Grants and their codes.
    fn grants(&self) -> &dyn grant::GrantRepository;
    /// Refresh token families.
    fn refresh_families(&self) -> &dyn refresh::RefreshRepository;
    /// Browser sessions.
    fn sessions(&self) -> &dyn session::SessionRepository;
    /// Remembered consents.
    fn consents(&self) -> &dyn consent::ConsentRepository;
    /// One-time values.
    fn one_time(&self) -> &dyn one_time::OneTimeRepository;
    /// Signing keys.
    fn signing_keys(&self) -> &dyn signing_key::SigningKeyRepository;
    /// The token deny-list.
    fn revocations(&self) -> &dyn revocation::RevocationRepository;
    /// Upkeep.
    fn maintenance(&self) -> &dyn maintenance::Maintenance;
}
