//! `migrate`: what this program does to the schema of the store, before nodes of it run.

use std::path::PathBuf;

use clap::Args;

use gatehouse_config::snapshot::platform::StorePlace;
use gatehouse_store::error::StoreError;
use gatehouse_store_sql::schema::{self, Plan};
use gatehouse_store_sql::{postgres, sqlite};

use super::output::{Failure, line};
use crate::gateway::load::{Loaded, load};
use crate::gateway::{open_migrated, postgres_settings};

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Migrate {
    /// Print the migrations that the store lacks, as SQL, and change nothing
    #[arg(long)]
    plan: bool,
    /// Apply them; nodes that run go on meanwhile
    #[arg(long)]
    run: bool,
}

pub(super) fn run(migrate: &Migrate, config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("migrate", error))?;
    let failed = |error: StoreError| Failure::new("migrate", error);
    let plan = runtime.block_on(plan(&loaded)).map_err(failed)?;
    for (number, name) in &plan.ahead {
        line(format!("-- {number} {name}: applied by a newer program, which this one can work beside"))?;
    }
    if plan.missing.is_empty() {
        return line("-- nothing is missing");
    }
    if migrate.run {
        let folder = loaded.folder();
        let opened = open_migrated(&loaded.snapshot.store.place, &folder, schema::Migrate::Auto);
        runtime.block_on(opened).map_err(failed)?;
    }
    for step in &plan.missing {
        let (number, name, reader) = (step.number, step.name, step.min_reader);
        if migrate.run {
            line(format!("-- {number} {name}: applied"))?;
        } else {
            line(format!("-- {number} {name}: missing; programs that know {reader} can go on beside it"))?;
            line(step.sql.trim_end())?;
        }
    }
    Ok(())
}

async fn plan(loaded: &Loaded) -> Result<Plan, StoreError> {
    match &loaded.snapshot.store.place {
        StorePlace::Sqlite { path } => sqlite::plan(&loaded.folder().join(path)),
        StorePlace::Postgres(server) => {
            postgres::plan(&postgres_settings(server, schema::Migrate::Manual)).await
        }
    }
}
