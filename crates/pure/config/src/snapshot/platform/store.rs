//! Where durable state lives.

use gatehouse_identity::secret::Secret;
use url::Url;

use super::{Migrate, Pooler};
use crate::document::Root;
use crate::document::platform::{Postgres, StoreKind};
use crate::document::spot::Placed;
use crate::snapshot::compiler::Compiler;

/// Where durable state lives, and who changes its schema.
pub struct Store {
    /// Who applies migrations that it lacks.
    pub migrate: Migrate,
    /// The place.
    pub place: StorePlace,
}

/// Where durable state lives.
pub enum StorePlace {
    /// A file.
    Sqlite {
        /// Its path, relative to the configuration file.
        path: String,
    },
    /// A database.
    Postgres(PostgresPlace),
}

/// A database, on whichever of its servers is the primary.
pub struct PostgresPlace {
    /// The connection URL of each server, in the order in which they are tried; at least one.
    pub urls: Vec<Secret>,
    /// Connections of this process.
    pub max_connections: u32,
    /// What stands in between.
    pub pooler: Pooler,
}

pub(crate) fn store(root: &Root, compiler: &mut Compiler<'_>) -> Option<Store> {
    Some(Store { migrate: root.store.migrate, place: store_place(root, compiler)? })
}

fn store_place(root: &Root, compiler: &mut Compiler<'_>) -> Option<StorePlace> {
    match (root.store.kind, &root.store.postgres) {
        (StoreKind::Sqlite, _) => Some(StorePlace::Sqlite { path: root.store.sqlite.path.clone() }),
        (StoreKind::Postgres, Some(postgres)) if postgres.max_connections > 0 => {
            let urls = postgres_urls(postgres, compiler)?;
            let (max_connections, pooler) = (postgres.max_connections, postgres.pooler);
            Some(StorePlace::Postgres(PostgresPlace { urls, max_connections, pooler }))
        }
        (StoreKind::Postgres, Some(postgres)) => {
            compiler
                .report
                .error(&postgres.place.child("maxConnections"), "expected at least one connection");
            None
        }
        (StoreKind::Postgres, None) => {
            compiler.report.error(&root.store.place.child("postgres"), "`type: postgres` needs this section");
            None
        }
    }
}

/// The servers of a database, written as one or as several.
fn postgres_urls(postgres: &Postgres, compiler: &mut Compiler<'_>) -> Option<Vec<Secret>> {
    let written: Vec<&Placed<Secret>> = match (&postgres.url, postgres.urls.as_slice()) {
        (Some(url), []) => vec![url],
        (Some(url), _) => {
            let hint = "`urls` lists every server that may be the primary";
            compiler.report.error_with(&url.place, "expected one of `url` and `urls`", hint);
            return None;
        }
        (None, []) => {
            let hint = "`url` names one server, `urls` all that may be the primary";
            compiler.report.error_with(&postgres.place, "expected `url` or `urls`", hint);
            return None;
        }
        (None, urls) => urls.iter().collect(),
    };
    // All of them, so that all problems are reported at once.
    let urls: Vec<Option<Secret>> = written.into_iter().map(|url| postgres_url(url, compiler)).collect();
    urls.into_iter().collect()
}

/// A connection URL; it may hold a password, so nothing of it is in a message.
fn postgres_url(written: &Placed<Secret>, compiler: &mut Compiler<'_>) -> Option<Secret> {
    let scheme = |url: &Url| matches!(url.scheme(), "postgres" | "postgresql");
    let reason = match Url::parse(written.expose()) {
        Ok(url) if scheme(&url) => return Some(written.value.clone()),
        Ok(_) => "another scheme".to_owned(),
        Err(error) => error.to_string(),
    };
    let hint = "percent-encode what is special in user and password";
    let message = format!("expected `postgres://user:password@host/database`, found {reason}");
    compiler.report.error_with(&written.place, message, hint);
    None
}
