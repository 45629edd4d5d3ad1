//! The backends against the conformance suite, real servers, real files and real crashes.

mod kill_nine;
mod on_postgres;
mod on_sqlite;
mod postgres;
mod races;
mod random;
