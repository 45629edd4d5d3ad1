//! Logs and audit writers.
