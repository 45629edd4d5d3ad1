//! The gateway's ports.

/// Where the gateway listens on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// For clients.
    pub(crate) public: u16,
    /// For operators; 0 for any.
    pub(crate) admin: u16,
}

impl Ports {
    /// The URL that clients use.
    pub(crate) fn origin(self) -> String {
        format!("http://localhost:{}", self.public)
    }
}
