//! How far the audit logs of all nodes had come: what a log that was shortened or replaced is found out by.

use async_trait::async_trait;
use gatehouse_audit::head::Head;
use gatehouse_identity::clock::Timestamp;

use crate::error::StoreError;

/// One log of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditLog {
    /// The name of the node.
    pub node: String,
    /// Which of its logs: the path of the file.
    pub log: String,
}

/// The last record of each log that is remembered.
#[async_trait]
pub trait AuditHeadRepository: Send + Sync {
    /// Remembers `head`, in place of what was remembered of this log.
    async fn remember(&self, log: &AuditLog, head: Head, at: Timestamp) -> Result<(), StoreError>;

    /// What was remembered last of `log`.
    async fn remembered(&self, log: &AuditLog) -> Result<Option<Head>, StoreError>;
}
