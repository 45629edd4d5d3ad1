//! SQLite and PostgreSQL behind the store traits.
