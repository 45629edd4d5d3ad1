//! SQLite and PostgreSQL behind the store traits.
//!
//! Both dialects keep the same tables: each aggregate is one row with its JSON body and the few columns that
//! conditional writes need ([`row`]). The SQL is written per dialect, in one file per aggregate.

mod migration;
pub mod postgres;
pub mod private_file;
mod row;
pub mod schema;
pub mod sqlite;
