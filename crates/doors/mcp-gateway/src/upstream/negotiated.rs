//! What was agreed on with an MCP server.

use gatehouse_mcp::version::Version;

/// How to go on with a server.
pub(crate) struct Negotiated {
    pub(crate) version: Version,
    pub(crate) session: Option<String>,
}

impl Negotiated {
    pub(super) fn weigh(&self) -> u32 {
        let bytes = size_of::<Self>() + self.session.as_ref().map_or(0, String::len) + 64;
        u32::try_from(bytes).unwrap_or(u32::MAX / 2)
    }
}
