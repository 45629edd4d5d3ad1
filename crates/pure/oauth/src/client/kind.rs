//! The two kinds of clients.

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// It runs where its users can read it; PKCE protects its codes.
    Public,
    /// It holds a secret.
    Confidential,
}
