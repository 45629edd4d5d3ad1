//! The backends against the conformance suite, real servers, real files and real crashes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod backups;
mod kill_nine;
mod on_postgres;
mod on_sqlite;
mod pooler;
mod postgres;
mod races;
mod random;
