//! Writing JSON-RPC messages around raw parts.

use super::json_text::push_json_string;
use super::{Id, RawObject};
use crate::error::RpcError;

/// A successful response.
pub fn result(id: &Id, result: &RawObject<'_>) -> String {
    let mut out = String::with_capacity(48 + result.written_len());
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(id.as_json());
    out.push_str(r#","result":"#);
    result.write(&mut out);
    out.push('}');
    out
}

/// An error response; without an id when the request's could not be read.
pub fn error(id: Option<&Id>, error: &RpcError) -> String {
    let mut out = String::from(r#"{"jsonrpc":"2.0""#);
    if let Some(id) = id {
        out.push_str(r#","id":"#);
        out.push_str(id.as_json());
    }
    out.push_str(r#","error":"#);
    error.members().write(&mut out);
    out.push('}');
    out
}

/// A request of our own.
pub fn request(id: &Id, method: &str, params: &RawObject<'_>) -> String {
    let mut out = String::from(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(id.as_json());
    tail(&mut out, method, params);
    out
}

/// A notification of our own.
pub fn notification(method: &str, params: &RawObject<'_>) -> String {
    let mut out = String::from(r#"{"jsonrpc":"2.0""#);
    tail(&mut out, method, params);
    out
}

fn tail(out: &mut String, method: &str, params: &RawObject<'_>) {
    out.push_str(r#","method":"#);
    push_json_string(out, method);
    if !params.is_empty() {
        out.push_str(r#","params":"#);
        params.write(out);
    }
    out.push('}');
}
