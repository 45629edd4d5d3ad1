//! How far audit logs had come.

use gatehouse_audit::head::Head;

use super::{Finding, Scene, equal};
use crate::audit_head::AuditLog;

pub(super) async fn are_remembered_by_log(scene: &Scene<'_>) -> Result<(), Finding> {
    let (store, other) = (scene.store.audit_heads(), scene.other_node.audit_heads());
    let log = |node: &str, log: &str| AuditLog { node: node.to_owned(), log: log.to_owned() };
    let (own, file, node) = (log("gw-1", "/a.jsonl"), log("gw-1", "/b.jsonl"), log("gw-2", "/a.jsonl"));
    let head = |seq: u64| Head { seq, hash: [u8::try_from(seq % 251).unwrap_or(0); 32] };
    equal("a log that nobody has seen", &store.remembered(&own).await?, &None)?;
    store.remember(&own, head(7), scene.now).await?;
    equal("what was remembered", &other.remembered(&own).await?, &Some(head(7)))?;
    other.remember(&own, head(9), scene.now).await?;
    equal("what was remembered last", &store.remembered(&own).await?, &Some(head(9)))?;
    store.remember(&own, head(2), scene.now).await?;
    equal("a log that was begun anew", &store.remembered(&own).await?, &Some(head(2)))?;
    equal("another file of the node", &store.remembered(&file).await?, &None)?;
    equal("a file of another node", &store.remembered(&node).await?, &None)?;
    store.remember(&node, head(3), scene.now).await?;
    equal("the file of the first", &store.remembered(&own).await?, &Some(head(2)))
}
