//! The instruments of `cargo xtask bench`: [`load`] asks, [`upstream`] answers, [`payload`] is what is asked,
//! [`signing`] shows how fast one core signs without any server around it.
#![expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock itself")]

pub mod load;
pub mod payload;
pub mod signing;
pub mod upstream;
