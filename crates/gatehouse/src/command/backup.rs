//! `backup` and `restore`: a copy of the store, and the way back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use gatehouse_audit::event::{Event, EventKind, Outcome, Target};
use gatehouse_config::snapshot::platform::Store as StoreSettings;
use gatehouse_identity::clock::{Clock as _, Timestamp};
use gatehouse_store::epoch::{Ended, Epoch};
use gatehouse_store::error::StoreError;
use gatehouse_store_sql::sqlite;
use gatehouse_telemetry::audit_file;

use super::output::{Failure, line};
use crate::gateway::load::{Loaded, load};
use crate::gateway::{StartError, Surroundings, open_audit, open_store};
use crate::host::{SystemClock, SystemRng};

#[derive(Args)]
pub(super) struct Backup {
    /// The file to write; one that exists is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Restore {
    /// The file that `gatehouse backup` wrote (SQLite)
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The store was put back by other means (PostgreSQL's tools, a snapshot of the disk): only end what it brought back
    #[arg(long)]
    epoch_only: bool,
}

/// What a restore has done.
struct Restored {
    ended: Ended,
    replaced: Vec<PathBuf>,
}

pub(super) fn backup(backup: &Backup, config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config)?;
    let StoreSettings::Sqlite { path } = &loaded.snapshot.store else {
        return Err(Failure::Failed(
            "backup: the store is PostgreSQL, which copies itself: use pg_dump or the archive of its log; after such \
             a copy was put back, run `gatehouse restore --epoch-only`"
                .to_owned(),
        ));
    };
    let store = loaded.folder().join(path);
    sqlite::backup::backup(&store, &backup.out).map_err(|error| Failure::new("backup", error))?;
    let bytes = std::fs::metadata(&backup.out).map_err(|error| Failure::new("backup", error))?.len();
    line(format!("{}: {bytes} bytes, checked and on disk, readable by you only", backup.out.display()))?;
    line("It holds signing keys: keep it as you keep passwords.")
}

pub(super) fn restore(restore: &Restore, config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config)?;
    if restore.from.is_some() && matches!(loaded.snapshot.store, StoreSettings::Postgres { .. }) {
        return Err(Failure::Failed(
            "restore: the store is PostgreSQL: put it back with its own tools, then run \
             `gatehouse restore --epoch-only`"
                .to_owned(),
        ));
    }
    let Some(server) = &loaded.snapshot.authorization_server else {
        return Err(Failure::Failed(
            "restore: this configuration has no oidcProvider, whose tokens a restore has to void: name the one that has"
                .to_owned(),
        ));
    };
    let epoch = Epoch { issuer: server.issuer.clone(), began_at: SystemClock.now() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("restore", error))?;
    let restored = runtime.block_on(async {
        let restored = recorded(&loaded, restore.from.as_deref(), &epoch).await?;
        tokio::time::sleep(rest_of_second(epoch.began_at)).await;
        Ok::<_, Failure>(restored)
    })?;
    let Ended { grants, families, sessions, consents } = restored.ended;
    if let Some(from) = &restore.from {
        line(format!("{}: put back", from.display()))?;
    }
    line(format!(
        "ended: {grants} grants, {families} refresh families, {sessions} sessions, {consents} remembered consents; \
         access tokens from before now are refused"
    ))?;
    for replaced in restored.replaced {
        line(format!("{}: what was there before; delete it once all is well", replaced.display()))?;
    }
    Ok(())
}

/// `iat` has whole seconds: whoever signs in after this command gets a token that is clearly younger than the epoch.
fn rest_of_second(time: Timestamp) -> Duration {
    let next = Timestamp::from_unix_seconds(time.unix_seconds() + 1);
    Duration::from_nanos(u64::try_from(next.unix_nanos() - time.unix_nanos()).unwrap_or_default())
}

/// Restores with the audit log in hand, which also proves that no gateway of this configuration runs.
async fn recorded(loaded: &Loaded, from: Option<&Path>, epoch: &Epoch) -> Result<Restored, Failure> {
    let surroundings =
        Surroundings { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), folder: loaded.folder() };
    let audit = open_audit(&loaded.snapshot, &surroundings).map_err(|error| match error {
        StartError::AuditFile(audit_file::OpenError::InUse(_)) => {
            Failure::Failed("restore: the gateway of this configuration is running: stop it first".to_owned())
        }
        other => Failure::new("restore", other),
    })?;
    let restored = put_back(loaded, from, epoch).await;
    let outcome = if restored.is_ok() { Outcome::Allow } else { Outcome::Error };
    let event = Event::new(EventKind::StoreRestored, outcome, SystemClock.now());
    let mut event = event.with_revision(&loaded.snapshot.revision);
    if let Some(from) = from {
        event = event.with_target(Target { object: Some(from.display().to_string()), ..Target::default() });
    }
    let appended = audit.append(event).await;
    let restored = restored.map_err(|error| Failure::new("restore", error))?;
    appended.map_err(|error| Failure::new("restore: done, but the audit log does not say so", error))?;
    Ok(restored)
}

async fn put_back(loaded: &Loaded, from: Option<&Path>, epoch: &Epoch) -> Result<Restored, StoreError> {
    let settings = &loaded.snapshot.store;
    if let (Some(from), StoreSettings::Sqlite { path }) = (from, settings) {
        let done = sqlite::backup::restore(from, &loaded.folder().join(path), epoch)?;
        return Ok(Restored { ended: done.ended, replaced: done.replaced });
    }
    let store = open_store(settings, &loaded.folder()).await?;
    let ended = store.epochs().begin(epoch).await?;
    Ok(Restored { ended, replaced: Vec::new() })
}
