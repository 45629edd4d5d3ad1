//! How large the head of a request may be.

/// Most header fields in a request; HTTP/2 cookie crumbs count one by one.
pub(super) const MAX_HEADER_FIELDS: usize = 100;
/// Most bytes in one header field, name and value.
pub(super) const MAX_HEADER_FIELD_BYTES: usize = 16 * 1024;
/// Most bytes in all header fields together.
pub(super) const MAX_HEADER_BYTES: usize = 32 * 1024;
/// The most that is read of a head of HTTP/1 before it is refused.
pub(super) const READ_BUFFER: usize = 64 * 1024;
