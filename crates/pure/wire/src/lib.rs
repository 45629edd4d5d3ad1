//! Words that several doors read and write.

pub mod media_type;
