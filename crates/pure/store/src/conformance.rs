//! What every backend must do, as one suite that runs against a real one.
//!
//! The suite knows no async runtime: races are many futures joined on one task, which a backend serves on as many
//! threads or connections as it has.

use std::fmt::Debug;

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::rng::Rng;

use crate::Store;
use crate::error::StoreError;
use crate::transition::Transition;

mod audit_heads;
mod consents;
mod epochs;
mod families;
mod fixtures;
mod grants;
mod one_time;
mod races;
mod reopen;
mod sessions;
mod signing_keys;
mod sweep;

pub use fixtures::{Redeemable, Scene};

/// A place where a store lives, and that outlives the store: a file, a database.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens the store again; handles opened before have been dropped or are still in use by another node.
    async fn open(&self) -> Result<Box<dyn Store>, StoreError>;
}

/// A case that a backend fails.
#[derive(Debug, thiserror::Error)]
#[error("conformance case `{case}`: {why}")]
pub struct Failure {
    /// The case.
    pub case: &'static str,
    /// What was expected and what was found.
    pub why: String,
}

/// Runs every case. The backend must be empty: sweeping is counted.
pub async fn run(backend: &dyn Backend, rng: &dyn Rng, now: Timestamp) -> Result<(), Failure> {
    let failed = |case: &'static str| move |finding: Finding| Failure { case, why: finding.0 };
    let store = backend.open().await.map_err(Finding::from).map_err(failed("open"))?;
    let other_node = backend.open().await.map_err(Finding::from).map_err(failed("open on a second node"))?;
    let scene = Scene { store: &*store, other_node: &*other_node, rng, now };

    sweep::removes_expired_rows_only(&scene).await.map_err(failed("sweep"))?;
    grants::live_a_whole_life(&scene).await.map_err(failed("whole life of a grant"))?;
    grants::steps_are_taken_once(&scene).await.map_err(failed("steps of a grant"))?;
    grants::are_abandoned_before_consent_only(&scene).await.map_err(failed("abandoned grants"))?;
    grants::expire_without_a_sweep(&scene).await.map_err(failed("expiry of a grant"))?;
    grants::are_revoked_with_their_families(&scene).await.map_err(failed("revocation of a grant"))?;
    grants::are_revoked_by_user_and_client(&scene).await.map_err(failed("revocation by user and client"))?;
    races::redeem_one_code_in_parallel(&scene).await.map_err(failed("64 redemptions of one code"))?;
    races::rotate_one_family_in_parallel(&scene).await.map_err(failed("parallel rotations"))?;
    races::claim_one_key_in_parallel(&scene).await.map_err(failed("parallel claims"))?;
    races::revoke_while_redeeming(&scene).await.map_err(failed("revocation against redemption"))?;
    families::change_in_place(&scene).await.map_err(failed("marks of a family"))?;
    families::notice_use(&scene).await.map_err(failed("use of a successor"))?;
    families::expire_when_idle(&scene).await.map_err(failed("expiry of a family"))?;
    sessions::begin_and_end(&scene).await.map_err(failed("sessions"))?;
    consents::answer_for_equal_ones_only(&scene).await.map_err(failed("consents"))?;
    one_time::claims_last_until_they_expire(&scene).await.map_err(failed("one-time values"))?;
    one_time::revoked_tokens_form_a_feed(&scene).await.map_err(failed("revoked tokens"))?;
    signing_keys::one_stands_after_a_race(&scene).await.map_err(failed("signing keys race"))?;
    signing_keys::are_replaced_and_removed(&scene).await.map_err(failed("signing keys"))?;
    epochs::end_what_was_alive(&scene).await.map_err(failed("epochs"))?;
    audit_heads::are_remembered_by_log(&scene).await.map_err(failed("heads of audit logs"))?;
    let before = reopen::write(&scene).await.map_err(failed("values before reopening"))?;
    scene.store.maintenance().ping().await.map_err(Finding::from).map_err(failed("ping"))?;

    drop(store);
    drop(other_node);
    let store = backend.open().await.map_err(Finding::from).map_err(failed("reopen"))?;
    reopen::read(&*store, &before, now).await.map_err(failed("values survive reopening"))
}

/// What a case found to be wrong.
#[derive(Debug)]
struct Finding(String);

impl From<StoreError> for Finding {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

fn ensure(holds: bool, what: &str) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(Finding(format!("expected that {what}"))) }
}

fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result<(), Finding> {
    if found == expected {
        return Ok(());
    }
    Err(Finding(format!("{what}: expected {expected:?}, found {found:?}")))
}

fn won(what: &str, transition: Transition) -> Result<(), Finding> {
    equal(what, &transition, &Transition::Won)
}

fn lost(what: &str, transition: Transition) -> Result<(), Finding> {
    equal(what, &transition, &Transition::Lost)
}

fn one_winner(what: &str, outcomes: Vec<Result<Transition, StoreError>>) -> Result<(), Finding> {
    let mut winners = 0;
    for outcome in outcomes {
        winners += usize::from(outcome?.is_won());
    }
    equal(what, &winners, &1)
}
