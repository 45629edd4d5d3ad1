//! One identity gateway between AI clients and everything they reach.
//!
//! The binary's rooms: [`command`] is the command line, [`host`] what the operating system provides, [`gateway`]
//! the wiring of stores, keys, doors and listeners from one configuration, `demo` the sample world.

pub mod command;
mod demo;
pub mod gateway;
pub mod host;
