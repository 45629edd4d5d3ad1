//! How MCP servers of the older kind say that they do not know a session.
//!
//! The specification has one way, 404 (2025-11-25, Transports, Session Management). Servers in use have others: a
//! status of their own, a JSON-RPC error, one line of text. All of them are refusals before anything was done, so the
//! same request may be sent again in a new session. Answers with another status say nothing of the kind: a success or a
//! failure of the server may have done its work.

use crate::message::{Id, Message, Outcome};

/// How much of an answer is looked at, in bytes: such answers are short.
const LONGEST: usize = 4 * 1024;
/// The words of a session that is not there.
const LOST: &[&str] = &[
    "not found",
    "no valid",
    "not valid",
    "not exist",
    "not initialized",
    "invalid",
    "unknown",
    "expired",
    "terminated",
    "closed",
    "missing",
    "required",
    "no longer",
    "no active",
    "no such",
    "stale",
];

/// Whether a server that answers a request of a session with `status` and `body` does not know the session.
pub fn is_lost(status: u16, body: &[u8]) -> bool {
    match status {
        404 | 410 => true,
        400 | 401 | 403 | 409 | 412 | 422 | 440 => names_it(status, body),
        _ => false,
    }
}

fn names_it(status: u16, body: &[u8]) -> bool {
    if let Ok(Message::Response(response)) = Message::parse_upstream(body) {
        // Who names the request has read it, and perhaps begun it: then only a code that speaks of the envelope or the
        // session will do, with words that say which.
        let is_read = response.id().is_some_and(is_ours);
        return match response.outcome() {
            // What the official servers answer from before they look at the request.
            Outcome::Error(error) if status == 400 && error.code == -32000 && !is_read => true,
            Outcome::Error(error) if is_read && !matches!(error.code, -32600 | -32001 | -32000) => false,
            Outcome::Error(error) => says_so(start(error.message.as_bytes())),
            Outcome::Result(_) => false,
        };
    }
    says_so(start(body))
}

/// Our ids are numbers; what servers write where they have read none is `null` or a word.
fn is_ours(id: &Id) -> bool {
    id.as_json().bytes().all(|byte| byte.is_ascii_digit())
}

fn start(text: &[u8]) -> &[u8] {
    text.get(..LONGEST).unwrap_or(text)
}

/// Whether one sentence, or one line, speaks of a session that is not there.
fn says_so(text: &[u8]) -> bool {
    let lower = String::from_utf8_lossy(text).to_ascii_lowercase();
    lower.split(['\n', '.', ';', '{', ',']).any(|sentence| {
        let about = is_about_session(sentence) || sentence.contains("not initialized");
        about && LOST.iter().any(|word| sentence.contains(word))
    })
}

/// Whether the word stands there, or the word with `id`; `session_list` is somebody's own name.
fn is_about_session(sentence: &str) -> bool {
    sentence.split("session").skip(1).any(|rest| {
        let after = rest.trim_start_matches(['_', '-', ' ']);
        after.starts_with("id")
            || !rest.starts_with(|next: char| next.is_alphanumeric() || "_-".contains(next))
    })
}

#[cfg(test)]
mod tests;
