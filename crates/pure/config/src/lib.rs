//! The written document, its diagnostics, and its compilation to an immutable snapshot.
