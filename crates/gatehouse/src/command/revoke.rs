//! `revoke`: ends what a person has, while the gateways that serve them run on.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::sink::AuditSink as _;
use gatehouse_config::snapshot::platform::StorePlace;
use gatehouse_edge::issuer::revocations::{EndedUser, Revocations};
use gatehouse_identity::clock::Clock as _;
use gatehouse_identity::id::SubjectId;
use gatehouse_store_sql::sqlite;
use gatehouse_telemetry::audit_file::{FileAudit, OpenError};

use super::output::{Failure, line};
use crate::gateway::load::{Loaded, load};
use crate::gateway::{HostDeps, StartError, open_audit, open_store};
use crate::host::{SystemClock, SystemRng};

#[derive(Args)]
pub(super) struct Revoke {
    /// The person, as `actor.user` of audit records names them: ISSUER|SUB for people of an identity provider, the
    /// subject for local users
    #[arg(long, value_name = "USER")]
    user: String,
}

pub(super) fn run(revoke: &Revoke, config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config)?;
    if loaded.snapshot.authorization_server.is_none() {
        return Err(Failure::Failed(
            "revoke: this configuration has no oidcProvider, whose sign-ins could be ended: name the one that has"
                .to_owned(),
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("revoke", error))?;
    let user = SubjectId::new(revoke.user.as_str());
    let EndedUser { sessions, grants } = runtime.block_on(recorded(&loaded, &user))?;
    line(format!(
        "{user}: ended {sessions} sessions and {grants} grants with their refresh and access tokens"
    ))?;
    if sessions == 0 && grants == 0 {
        return Err(Failure::Failed(
            "revoke: nobody of this name has anything here; the name is `actor.user` of the audit records"
                .to_owned(),
        ));
    }
    line("Whoever may still sign in there can come back: disable them at their identity provider first.")
}

/// Nodes that run record it themselves. If none of this configuration does, its log is free, and the record is ours.
async fn recorded(loaded: &Loaded, user: &SubjectId) -> Result<EndedUser, Failure> {
    if let StorePlace::Sqlite { path } = &loaded.snapshot.store.place {
        // Opening it would make an empty one.
        sqlite::backup::require(&loaded.folder().join(path))
            .map_err(|error| Failure::new("revoke", error))?;
    }
    let log = free_log(loaded)?;
    let store = open_store(&loaded.snapshot.store, &loaded.folder()).await;
    let store = store.map_err(|error| Failure::new("revoke", error))?;
    let ended = Revocations::end_user(store.as_ref(), user, SystemClock.now()).await;
    let is_nothing = matches!(ended, Ok(EndedUser { sessions: 0, grants: 0 }));
    if let Some(log) = log.filter(|_| !is_nothing) {
        let outcome = if ended.is_ok() { Outcome::Allow } else { Outcome::Error };
        let event = Event::new(EventKind::TokenRevoke, outcome, SystemClock.now())
            .with_revision(&loaded.snapshot.revision)
            .with_reason("user_ended")
            .with_user(user);
        let appended = log.append(event).await;
        appended.map_err(|error| Failure::new("revoke: done, but the audit log does not say so", error))?;
    }
    ended.map_err(|error| Failure::new("revoke: not all is ended, run it again", error))
}

/// The audit log, unless there is none yet or a gateway has it.
fn free_log(loaded: &Loaded) -> Result<Option<Arc<FileAudit>>, Failure> {
    if !loaded.folder().join(&loaded.snapshot.audit.path).exists() {
        return Ok(None);
    }
    let host = HostDeps { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), folder: loaded.folder() };
    match open_audit(&loaded.snapshot, &host) {
        Ok(log) => Ok(Some(log)),
        Err(StartError::AuditFile(OpenError::InUse(_))) => Ok(None),
        Err(error) => Err(Failure::new("revoke", error)),
    }
}
