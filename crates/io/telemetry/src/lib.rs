//! Logs for operators and the files in which evidence is kept.

pub mod audit_file;
pub mod log;
