//! `backup` and `restore`: a copy of the store, and the way back.

mod clock;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use gatehouse_audit::event::{Event, EventKind, Outcome, Target};
use gatehouse_audit::sink::AuditSink as _;
use gatehouse_config::snapshot::platform::StorePlace;
use gatehouse_identity::clock::Clock as _;
use gatehouse_identity::id::Issuer;
use gatehouse_store::Store;
use gatehouse_store::epoch::{Begun, Ended, NOTICE};
use gatehouse_store::error::StoreError;
use gatehouse_store_sql::sqlite::backup::BackupError;
use gatehouse_store_sql::{private_file, sqlite};
use gatehouse_telemetry::audit_file;

use super::output::{Failure, line};
use crate::gateway::load::{Loaded, load};
use crate::gateway::{HostDeps, StartError, open_audit, open_store};
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

/// How often an epoch is begun that is not on disk in time.
const ATTEMPTS: u32 = 3;

/// What a restore has done.
struct Restored {
    begun: Begun,
    replaced: Vec<PathBuf>,
}

pub(super) fn backup(backup: &Backup, config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config)?;
    let StorePlace::Sqlite { path } = &loaded.snapshot.store.place else {
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
    if restore.from.is_some() && matches!(loaded.snapshot.store.place, StorePlace::Postgres(_)) {
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
    clock::refuse_behind(&loaded.folder().join(&loaded.snapshot.audit.path), &SystemClock)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("restore", error))?;
    let restored = runtime.block_on(async {
        let restored = recorded(&loaded, restore.from.as_deref(), &server.issuer).await?;
        let (epoch, now) = (&restored.begun.epoch, SystemClock.now());
        if !epoch.is_far_ahead_of(now) {
            // Whoever signs in after this command gets tokens of the new epoch.
            tokio::time::sleep(epoch.began_at.since(now)).await;
        }
        Ok::<_, Failure>(restored)
    })?;
    report(restore.from.as_deref(), restored)
}

fn report(from: Option<&Path>, restored: Restored) -> Result<(), Failure> {
    let Begun { epoch, ended: Ended { grants, families, sessions, consents } } = restored.begun;
    if let Some(from) = from {
        line(format!("{}: put back", from.display()))?;
    }
    line(format!(
        "ended: {grants} grants, {families} refresh families, {sessions} sessions, {consents} remembered consents; \
         access tokens from before now are refused"
    ))?;
    for replaced in restored.replaced {
        line(format!("{}: what was there before; delete it once all is well", replaced.display()))?;
    }
    if epoch.is_far_ahead_of(SystemClock.now()) {
        return Err(Failure::Failed(format!(
            "restore: done, but the store has an epoch that begins at {}, and until then all tokens are refused: the \
             clock was ahead when it was begun, or is behind now; how to get rid of it is in docs/guides/backups.md",
            epoch.began_at
        )));
    }
    Ok(())
}

/// Restores with the audit log in hand, which also proves that no gateway of this configuration runs.
async fn recorded(loaded: &Loaded, from: Option<&Path>, issuer: &Issuer) -> Result<Restored, Failure> {
    let host = HostDeps { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), folder: loaded.folder() };
    prepare_log(&loaded.folder().join(&loaded.snapshot.audit.path))?;
    let audit = open_audit(&loaded.snapshot, &host).map_err(|error| match error {
        StartError::AuditFile(audit_file::OpenError::InUse(_)) => {
            Failure::Failed("restore: the gateway of this configuration is running: stop it first".to_owned())
        }
        other => Failure::new("restore", other),
    })?;
    let restored = put_back(loaded, from, issuer).await;
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

/// Makes the log when there is none, for the user whose gateway will write it: that user is not always who restores.
fn prepare_log(log: &Path) -> Result<(), Failure> {
    match private_file::create_in_place_of(log, log) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Failure::new(&format!("restore: the audit log {}", log.display()), error)),
    }
}

async fn put_back(loaded: &Loaded, from: Option<&Path>, issuer: &Issuer) -> Result<Restored, BackupError> {
    let settings = &loaded.snapshot.store;
    if let StorePlace::Sqlite { path } = &settings.place {
        let store = loaded.folder().join(path);
        if let Some(from) = from {
            let done = sqlite::backup::restore(from, &store, issuer, &SystemClock)?;
            return Ok(Restored { begun: done.begun, replaced: done.replaced });
        }
        // Opening it would make an empty one, of which nothing can be ended.
        sqlite::backup::require(&store)?;
    }
    let store = open_store(settings, &loaded.folder()).await?;
    Ok(Restored { begun: begin(store.as_ref(), issuer).await?, replaced: Vec::new() })
}

/// Begins an epoch while nodes may be running: all have to read of it before it begins. Emptying large tables can take
/// longer to commit; then there is little left to do for the next attempt.
async fn begin(store: &dyn Store, issuer: &Issuer) -> Result<Begun, StoreError> {
    let mut ended = Ended::default();
    for _ in 0..ATTEMPTS {
        let begun = store.epochs().begin(issuer, Arc::new(SystemClock)).await?;
        ended += begun.ended;
        if begun.epoch.began_at.since(SystemClock.now()) >= NOTICE / 2 {
            return Ok(Begun { ended, ..begun });
        }
    }
    Err(StoreError::Unavailable {
        reason: format!(
            "a commit took longer than {} s, {ATTEMPTS} times: nodes may not have read of it in time",
            (NOTICE / 2).as_secs()
        ),
    })
}
